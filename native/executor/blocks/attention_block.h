// The attention half of a layer, input norm, output projection and residual sum included. What lies between is the matter of its two
// kinds, MlaAttention and GqaAttention. Called by the model once a layer; writes the rows' cache entries before any row attends.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "executor/blocks/batch.h"
#include "executor/kv/cache_layout.h"
#include "executor/kv/kv_pool.h"
#include "executor/weights/weight_store.h"
#include "kernels/rope/rope_table.h"

namespace switchyard::executor {

class AttentionBlock {
 public:
  virtual ~AttentionBlock() = default;

  /// The block of a layer. prefix: "model.layers.3" of layer 3.
  static Status load(const ModelSpec& spec, const WeightStore& store, const std::string& prefix, int layer,
                     std::unique_ptr<AttentionBlock>* block);

  /// ws->residual [rows][hidden] += attention(rmsnorm(residual)).
  void forward(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv, const RopeTable& rope,
               Workspace* ws) const;

  /// What forward begins with, alone: the rows' cache entries. For rows whose output nobody wants.
  void fill_cache(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv, const RopeTable& rope,
                  Workspace* ws) const;

 protected:
  /// prefix: "model.layers.3.self_attn.".
  virtual Status load_inputs(const ModelSpec& spec, const WeightStore& store, const std::string& prefix, int layer) = 0;
  /// ws->normed -> ws->q with its rotated parts, and ws->cache_rows, what goes into the cache.
  virtual void project(const ModelSpec& spec, std::span<const BatchRow> rows, const RopeTable& rope,
                       Workspace* ws) const = 0;
  /// ws->q and the cache -> ws->value [rows][heads][v_head_dim].
  virtual void attend(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv,
                      Workspace* ws) const = 0;

  float scale_ = 0.0f;
  CacheLayout layout_;

 private:
  void store_cache_rows(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv,
                        Workspace* ws) const;

  std::vector<float> input_norm_;
  PackedMatrix o_;
  std::vector<float> o_bias_;  // empty without
};

}  // namespace switchyard::executor
