// Multi-head latent attention (docs/numerics.md, operations 2 to 6): absorbed, but for prompts in kernel class mla-split.
#pragma once

#include "executor/blocks/attention_block.h"
#include "executor/blocks/biased_matrix.h"
#include "executor/blocks/mla_split.h"

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
  Status load_wideners(const ModelSpec& spec, const WeightStore& store, const std::string& attn);
  bool is_split(const BatchRow& row) const { return row.is_prompt && !wideners_.keys.empty(); }
  void attend_absorbed(const ModelSpec& spec, std::span<const BatchRow> rows, int first_row, const KvLayerView& kv,
                       Workspace* ws) const;
  void absorb_queries(const ModelSpec& spec, int first_row, int num_rows, Workspace* ws) const;

  BiasedMatrix q_a_;  // empty in a model that projects the query at once
  std::vector<float> q_a_norm_;
  BiasedMatrix q_b_;  // [heads * head_dim, q_lora_rank, or hidden without a low rank]
  BiasedMatrix kv_a_;
  std::vector<float> kv_a_norm_;
  std::vector<PackedMatrix> key_up_;    // a head: [kv_lora_rank rows, qk_nope columns], W_uk transposed
  std::vector<PackedMatrix> value_up_;  // a head: [v_head_dim rows, kv_lora_rank columns]
  LatentWideners wideners_;
};

}  // namespace switchyard::executor
