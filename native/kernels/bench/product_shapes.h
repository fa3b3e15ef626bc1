// The shapes at which all kinds of products are measured, so that their rates may be compared; and what a product has to do.
#pragma once

#include <string>
#include <vector>

#include "kernels/bench/kernel_case.h"

namespace switchyard::bench {

struct ProductShape {
  int num_rows;
  int num_columns;
  int num_tokens;
};

/// A decode step of 1, 8 and 32 tokens at hidden sizes 1024 and 4096, and a prefill of 512.
inline std::vector<ProductShape> product_shapes() {
  return {{1024, 1024, 1}, {1024, 1024, 8}, {1024, 1024, 32}, {1024, 1024, 512},
          {4096, 4096, 1}, {4096, 4096, 8}, {4096, 4096, 32}};
}

/// "4096x4096-8t-cold"
inline std::string text_of(const ProductShape& shape) {
  return std::to_string(shape.num_rows) + "x" + std::to_string(shape.num_columns) + "-" +
         std::to_string(shape.num_tokens) + "t-" + warmth_of(true);
}

/// Of cold weights; x and y stay in the caches.
inline KernelWork work_of(const ProductShape& shape, size_t weight_bytes, size_t activation_bytes) {
  const double num_tokens = shape.num_tokens;
  return {2.0 * num_tokens * shape.num_rows * shape.num_columns,
          static_cast<double>(weight_bytes) +
              num_tokens * (static_cast<double>(shape.num_columns * activation_bytes) + shape.num_rows * sizeof(float)),
          kColdBytes};
}

}  // namespace switchyard::bench
