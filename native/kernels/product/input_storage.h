// Memory for the narrow form of a product's input, whichever its weights take. Held by who prepares several inputs at once.
#pragma once

#include "kernels/product/product.h"
#include "kernels/product_bf16/product_bf16.h"
#include "kernels/product_block/product_block.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard {

/// One thread's at a time; keeps its size, so that later and smaller inputs allocate nothing.
struct InputStorage {
  Int8Activations int8;
  Bf16Activations bf16;
  BlockActivations blocks;
};

/// As prepare_input of product.h; lasts until the storage's next one.
ProductInput prepare_input(const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens,
                           InputStorage* storage);

}  // namespace switchyard
