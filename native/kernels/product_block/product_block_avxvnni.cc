#include "kernels/lanes/quads_avxvnni.h"
#include "kernels/product_block/unpacked_block_vnni.h"

#include "kernels/product_block/product_unpacked_lanes.h"

namespace switchyard {

void product_block_avxvnni(const BlockProductArgs& args) {
  with_block_type(args.type, [&]<PackedType kType>() { run_product_block_of_many<kType>(args); });
}

}  // namespace switchyard
