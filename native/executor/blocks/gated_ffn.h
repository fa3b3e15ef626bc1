// W_down (silu(W_gate x) * (W_up x)), with gate and up fused into one product (docs/numerics.md, operation 7).
// The dense FFN, the shared expert (down_proj in slices) and every routed expert (one slice) are this.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "base/thread_pool.h"
#include "executor/weights/weight_store.h"
#include "kernels/product/input_storage.h"

namespace switchyard::executor {

class GatedFfn;

/// The input of one FFN among several: rows behind those of the one before.
struct FfnRows {
  const GatedFfn* ffn;
  ProductInput x;
};

class GatedFfn {
 public:
  /// prefix: "model.layers.0.mlp"; reads PREFIX.{gate,up,down}_proj.weight and, if has_bias, .bias.
  Status load(const WeightStore& store, const std::string& prefix, int hidden_size, int intermediate_size,
              int num_slices, bool has_bias = false);

  bool is_loaded() const { return !down_.empty(); }

  /// Whether the input is made INT8, or may come so.
  bool takes_int8() const { return gate_up_.type() == PackedType::kInt8; }
  /// x: [num_rows][hidden], without gaps. Lasts as long as shared_input's.
  ProductInput prepare(ThreadPool* pool, const float* x, int num_rows) const;
  /// The same row by row: room for all of them, and one of them from wherever it lies.
  ProductInput reserve(const float* x, int num_rows, InputStorage* storage) const;
  void fill_row(const float* x, int row, const ProductInput& input, InputStorage* storage) const;

  /// y: [num_rows][hidden], without gaps. gate_up: 2 * num_rows * intermediate floats, activated: half of that.
  void forward(ThreadPool* pool, const ProductInput& x, float* y, float* gate_up, float* activated) const;
  /// The same of several FFNs of one shape, whose products run together; rows are those of all.
  static void forward_all(ThreadPool* pool, std::span<const FfnRows> ffns, float* y, float* gate_up, float* activated);

 private:
  static void add_biases(std::span<const FfnRows> ffns, const std::vector<float> GatedFfn::*bias, float* y, int size);

  PackedMatrix gate_up_;
  std::vector<float> gate_up_bias_;  // empty without, as the other
  PackedMatrix down_;
  std::vector<float> down_bias_;
  int num_slices_ = 1;
};

}  // namespace switchyard::executor
