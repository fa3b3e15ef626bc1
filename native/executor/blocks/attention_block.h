// Multi-head latent attention of one layer, absorbed (docs/numerics.md, operations 1 to 6), input norm and residual sum included.
// Called by the model once a layer; writes the rows' cache entries before any row attends.
#pragma once

#include <span>
#include <string>

#include "executor/blocks/batch.h"
#include "executor/kv/kv_pool.h"
#include "executor/weights/weight_store.h"
#include "kernels/rope/rope.h"

namespace switchyard::executor {

class AttentionBlock {
 public:
  /// prefix: "model.layers.3".
  Status load(const ModelSpec& spec, const WeightStore& store, const std::string& prefix);

  /// ws->residual [rows][hidden] += attention(rmsnorm(residual)).
  void forward(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv, const RopeTable& rope,
               Workspace* ws) const;

 private:
  Status load_absorbed(const ModelSpec& spec, const WeightStore& store, const std::string& name);
  void project(const ModelSpec& spec, std::span<const BatchRow> rows, const RopeTable& rope, Workspace* ws) const;
  void absorb_queries(const ModelSpec& spec, int num_rows, Workspace* ws) const;
  void attend(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv, Workspace* ws) const;

  std::vector<float> input_norm_;
  std::vector<float> q_a_norm_;
  std::vector<float> kv_a_norm_;
  PackedMatrix q_a_;
  PackedMatrix q_b_;
  PackedMatrix kv_a_;
  PackedMatrix o_;
  std::vector<PackedMatrix> key_up_;    // a head: [kv_lora_rank rows, qk_nope columns], W_uk transposed
  std::vector<PackedMatrix> value_up_;  // a head: [v_head_dim rows, kv_lora_rank columns]
  float scale_ = 0.0f;
};

}  // namespace switchyard::executor
