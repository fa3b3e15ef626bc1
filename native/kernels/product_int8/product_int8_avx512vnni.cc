#include "kernels/lanes/quads_avx512vnni.h"
#include "kernels/product_int8/int8_tile_vnni.h"
#include "kernels/product_int8/product_int8_lanes.h"

namespace switchyard {

void product_int8_avx512vnni(const Int8ProductArgs& args) { run_product_int8(args); }

}  // namespace switchyard
