// The shapes at which kernels that work on rows of activations are measured: hot, since a step has just written what they read.
#pragma once

#include <string>
#include <vector>

#include "kernels/bench/kernel_case.h"

namespace switchyard::bench {

struct RowShape {
  int num_tokens;
  int size;
};

inline std::vector<RowShape> row_shapes() { return {{1, 1024}, {1, 4096}, {32, 1024}, {32, 4096}, {512, 4096}}; }

/// "4096-32t-hot"
inline std::string text_of(const RowShape& shape) {
  return std::to_string(shape.size) + "-" + std::to_string(shape.num_tokens) + "t-" + warmth_of(false);
}

/// Operations and floats a number of the row.
inline KernelWork row_work(const RowShape& shape, double operations, double num_floats, double more_bytes = 0) {
  const double count = double(shape.num_tokens) * shape.size;
  const double bytes = count * num_floats * sizeof(float) + more_bytes;
  return {count * operations, bytes, span_of(bytes, false)};
}

/// What exp32 of docs/numerics.md takes: a range, n, two steps to r, seven of Horner, 2^n.
inline constexpr double kExpOperations = 2 + 2 + 2 * 2 + 7 * 2 + 1;

}  // namespace switchyard::bench
