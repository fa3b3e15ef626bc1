// Loops that several blocks need.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/registry.h"

namespace switchyard::executor {

/// residual[i] += x[i].
inline void add_to(float* residual, const float* x, size_t count) {
  for (size_t i = 0; i < count; ++i) residual[i] += x[i];
}

/// y [num_rows][bias.size()] += bias, rows y_stride apart. Without a bias (empty), nothing.
inline void add_bias(const std::vector<float>& bias, float* y, size_t y_stride, int num_rows) {
  if (bias.empty()) return;
  for (int i = 0; i < num_rows; ++i) add_to(y + i * y_stride, bias.data(), bias.size());
}

/// Rows packed without gaps on both sides.
inline void rmsnorm_rows(const float* x, const float* weight, float* y, int num_rows, int size, float eps) {
  kernels().rmsnorm({x, static_cast<size_t>(size), weight, y, static_cast<size_t>(size), num_rows, size, eps});
}

}  // namespace switchyard::executor
