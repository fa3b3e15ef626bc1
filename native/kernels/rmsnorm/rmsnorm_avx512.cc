#include "kernels/lanes/lanes_avx512.h"
#include "kernels/rmsnorm/rmsnorm_lanes.h"

namespace switchyard {

void rmsnorm_avx512(const RmsNormArgs& args) { run_rmsnorm(args); }

}  // namespace switchyard
