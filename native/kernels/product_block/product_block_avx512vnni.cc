#include "kernels/lanes/quads_avx512vnni.h"
#include "kernels/product_block/block_lanes_vnni.h"
#include "kernels/product_block/product_block_lanes.h"

namespace switchyard {

void product_block_avx512vnni(const BlockProductArgs& args) {
  with_block_type(args.type, [&]<PackedType kType>() { run_product_block_of<kType>(args); });
}

}  // namespace switchyard
