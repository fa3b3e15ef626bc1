#include "kernels/lanes/lanes_avx2.h"
#include "kernels/router/router_lanes.h"

namespace switchyard {

void router_avx2(const RouterArgs& args) { run_router(args); }

}  // namespace switchyard
