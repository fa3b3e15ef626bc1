#include "kernels/lanes/lanes_avx2.h"

#include "kernels/combine/combine_lanes.h"

namespace switchyard {

void combine_avx2(const CombineArgs& args) { run_combine(args); }

}  // namespace switchyard
