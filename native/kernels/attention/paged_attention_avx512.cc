#include "kernels/lanes/lanes_avx512.h"

#include "kernels/attention/paged_attention_lanes.h"

namespace switchyard {

void paged_attention_avx512(const PagedAttentionArgs& args) { run_paged_attention(args); }

}  // namespace switchyard
