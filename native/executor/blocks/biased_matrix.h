// A linear layer with or without a bias, as attention projects with it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "executor/weights/weight_store.h"
#include "kernels/product/product.h"

namespace switchyard::executor {

/// W x + b.
struct BiasedMatrix {
  PackedMatrix weight;
  std::vector<float> bias;  // empty without

  /// Reads PREFIX.weight [num_rows, num_columns] and, if has_bias, PREFIX.bias.
  Status load(const WeightStore& store, const std::string& prefix, int num_rows, int num_columns, bool has_bias);
};

/// A layer, and where its output goes: rows y_stride apart.
struct Projection {
  const BiasedMatrix* layer;
  float* y;
  size_t y_stride;
};

inline constexpr size_t kProjectionsMax = 3;

/// Projections, at most kProjectionsMax, of the same x [num_tokens][num_columns] without gaps. They run together, and x is made narrow once
/// for neighbours that take it alike.
void project_all(ThreadPool* pool, std::span<const Projection> projections, const float* x, int num_tokens);

}  // namespace switchyard::executor
