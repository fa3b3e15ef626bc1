#include "kernels/lanes/lanes_avx2.h"
#include "kernels/product/product_tile_avx2.h"
// After the two that it is written on.
#include "kernels/product/product_lanes.h"

namespace switchyard {

void product_avx2(const ProductArgs& args) { run_product_of_any_weight(args); }

}  // namespace switchyard
