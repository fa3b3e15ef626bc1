#include "kernels/lanes/lanes_avx512.h"

#include "kernels/activation/silu_mul_lanes.h"

namespace switchyard {

void silu_mul_avx512(const SiluMulArgs& args) { run_silu_mul(args); }

}  // namespace switchyard
