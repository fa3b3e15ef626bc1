#include "kernels/lanes/lanes_avx2.h"
#include "kernels/rmsnorm/rmsnorm_lanes.h"

namespace switchyard {

void rmsnorm_avx2(const RmsNormArgs& args) { run_rmsnorm(args); }

}  // namespace switchyard
