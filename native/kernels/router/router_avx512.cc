#include "kernels/lanes/lanes_avx512.h"
#include "kernels/router/router_lanes.h"

namespace switchyard {

void router_avx512(const RouterArgs& args) { run_router(args); }

}  // namespace switchyard
