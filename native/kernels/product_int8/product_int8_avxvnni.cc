#include "kernels/lanes/quads_avxvnni.h"
#include "kernels/product_int8/int8_tile_vnni.h"
#include "kernels/product_int8/product_int8_lanes.h"

namespace switchyard {

void product_int8_avxvnni(const Int8ProductArgs& args) { run_product_int8(args); }

}  // namespace switchyard
