// Attention whose query heads share keys and values in groups (docs/numerics.md, operations 2g to 6g); one head a group is multi-head
// attention. A cache row holds the keys of all key heads, then their values.
#pragma once

#include "executor/blocks/attention_block.h"
#include "executor/blocks/biased_matrix.h"

namespace switchyard::executor {

class GqaAttention : public AttentionBlock {
 protected:
  Status load_inputs(const ModelSpec& spec, const WeightStore& store, const std::string& prefix, int layer) override;
  void project(const ModelSpec& spec, std::span<const BatchRow> rows, const RopeTable& rope,
               Workspace* ws) const override;
  void attend(const ModelSpec& spec, std::span<const BatchRow> rows, const KvLayerView& kv,
              Workspace* ws) const override;

 private:
  BiasedMatrix q_;
  BiasedMatrix k_;
  BiasedMatrix v_;
  std::vector<float> q_norm_;  // empty without; [head_dim] or all heads
  std::vector<float> k_norm_;
  int window_ = 0;  // keys that a query sees; 0: all
};

}  // namespace switchyard::executor
