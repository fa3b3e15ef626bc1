#include "kernels/lanes/lanes_avx512.h"

#include "kernels/attention/mla_attention_lanes.h"

namespace switchyard {

void mla_attention_avx512(const MlaAttentionArgs& args) { run_mla_attention(args); }

}  // namespace switchyard
