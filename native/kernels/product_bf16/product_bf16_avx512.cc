#include "kernels/lanes/lanes_avx512.h"
#include "kernels/product/product_tile_avx512.h"
// After the two that it is written on.
#include "kernels/product_bf16/product_bf16_fma_lanes.h"

namespace switchyard {

void product_bf16_avx512(const Bf16ProductArgs& args) { run_product_bf16(args); }

}  // namespace switchyard
