// Multi-head latent attention, absorbed (docs/numerics.md, operations 2 to 6).
#pragma once

#include "executor/blocks/attention_block.h"
#include "executor/blocks/biased_matrix.h"

namespace switchyard::executor {

class MlaAttention : public AttentionBlock {
 protected:
  Status load_inputs(const ModelSpec& spec, const WeightStore& store, const std::string& prefix, int layer) override;
  void project(const ModelSpec& spec, std::span<const BatchRow> rows, const RopeTable& rope,
               Workspace* ws) const override;
  void attend(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv,
              Workspace* ws) const override;

 private:
  Status load_query(const ModelSpec& spec, const WeightStore& store, const std::string& prefix);
  Status load_joined_kv_b(const ModelSpec& spec, const WeightStore& store, const std::string& name);
  Status load_split_kv_b(const ModelSpec& spec, const WeightStore& store, const std::string& prefix);
  void absorb_queries(const ModelSpec& spec, int num_rows, Workspace* ws) const;

  BiasedMatrix q_a_;  // empty in a model that projects the query at once
  std::vector<float> q_a_norm_;
  BiasedMatrix q_b_;  // [heads * head_dim, q_lora_rank, or hidden without a low rank]
  BiasedMatrix kv_a_;
  std::vector<float> kv_a_norm_;
  std::vector<PackedMatrix> key_up_;    // a head: [kv_lora_rank rows, qk_nope columns], W_uk transposed
  std::vector<PackedMatrix> value_up_;  // a head: [v_head_dim rows, kv_lora_rank columns]
};

}  // namespace switchyard::executor
