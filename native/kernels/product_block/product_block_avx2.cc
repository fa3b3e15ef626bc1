#include "kernels/product_block/block_lanes_avx2.h"
#include "kernels/product_block/product_unpacked_avx2.h"

namespace switchyard {

void product_block_avx2(const BlockProductArgs& args) {
  with_block_type(args.type, [&]<PackedType kType>() {
    if (args.num_tokens < unpacked_tokens_min(block_form(kType))) {
      run_product_block_of<kType>(args);
    } else {
      run_unpacked_of<kType>(args);
    }
  });
}

}  // namespace switchyard
