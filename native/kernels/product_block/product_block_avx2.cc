#include "kernels/product_block/unpacked_block_avx2.h"

#include "kernels/product_block/product_unpacked_lanes.h"

namespace switchyard {

void product_block_avx2(const BlockProductArgs& args) {
  with_block_type(args.type, [&]<PackedType kType>() { run_product_block_of_many<kType>(args); });
}

}  // namespace switchyard
