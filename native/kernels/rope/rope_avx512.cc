#include "kernels/lanes/lanes_avx512.h"
#include "kernels/rope/rope_lanes.h"

namespace switchyard {

void rope_avx512(const RopeArgs& args) { run_rope(args); }

}  // namespace switchyard
