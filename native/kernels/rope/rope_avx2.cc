#include "kernels/lanes/lanes_avx2.h"
#include "kernels/rope/rope_lanes.h"

namespace switchyard {

void rope_avx2(const RopeArgs& args) { run_rope(args); }

}  // namespace switchyard
