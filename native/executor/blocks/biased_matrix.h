// A linear layer with or without a bias, as attention projects with it.
#pragma once

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
  /// x: [num_tokens][num_columns] without gaps; y: rows y_stride apart.
  void apply(ThreadPool* pool, const float* x, float* y, size_t y_stride, int num_tokens) const;
};

}  // namespace switchyard::executor
