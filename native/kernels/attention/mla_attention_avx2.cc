#include "kernels/lanes/lanes_avx2.h"

#include "kernels/attention/mla_attention_lanes.h"

namespace switchyard {

void mla_attention_avx2(const MlaAttentionArgs& args) { run_mla_attention(args); }

}  // namespace switchyard
