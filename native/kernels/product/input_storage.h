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

/// The same in two steps, for several threads: room for all rows, and rows [first_token, end_token), by whichever thread.
ProductInput reserve_input(const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens,
                           InputStorage* storage);
void fill_input(const PackedMatrix& w, const ProductInput& input, int first_token, int end_token,
                InputStorage* storage);

/// Whether what was prepared for one serves the other.
inline bool have_same_input(const PackedMatrix& a, const PackedMatrix& b) {
  return a.type() == b.type() && a.num_columns() == b.num_columns();
}

}  // namespace switchyard
