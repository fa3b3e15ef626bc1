#include "kernels/product_block/block_lanes_avx2.h"
#include "kernels/product_block/product_block_lanes.h"

namespace switchyard {

void product_block_avx2(const BlockProductArgs& args) { run_product_block(args); }

}  // namespace switchyard
