// Two loops that several blocks need.
#pragma once

#include <cstddef>

#include "kernels/registry.h"

namespace switchyard::executor {

/// residual[i] += x[i].
inline void add_to(float* residual, const float* x, size_t count) {
  for (size_t i = 0; i < count; ++i) residual[i] += x[i];
}

/// Rows packed without gaps on both sides.
inline void rmsnorm_rows(const float* x, const float* weight, float* y, int num_rows, int size, float eps) {
  kernels().rmsnorm({x, static_cast<size_t>(size), weight, y, static_cast<size_t>(size), num_rows, size, eps});
}

}  // namespace switchyard::executor
