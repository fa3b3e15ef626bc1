#include "kernels/lanes/lanes_avx512.h"

#include "kernels/combine/combine_lanes.h"

namespace switchyard {

void combine_avx512(const CombineArgs& args) { run_combine(args); }

}  // namespace switchyard
