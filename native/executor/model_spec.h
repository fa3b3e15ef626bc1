// The native twin of ModelSpec and WeightPlan (libs/model/src/spec.ts): what the addon hands down, checked before anything is allocated.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/dtype.h"
#include "base/status.h"

namespace switchyard::executor {

struct ModelSpec {
  int vocab_size = 0;
  int hidden_size = 0;
  int num_layers = 0;
  int num_dense_layers = 0;
  int num_heads = 0;
  int q_lora_rank = 0;
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  int v_head_dim = 0;
  int intermediate_size = 0;
  int moe_intermediate_size = 0;
  int num_experts = 0;
  int num_experts_per_token = 0;
  int num_shared_experts = 0;
  int num_expert_groups = 0;
  int num_topk_groups = 0;
  float routed_scaling_factor = 1.0f;
  bool norm_topk_prob = true;
  double rope_theta = 10000.0;
  float rms_norm_eps = 1e-6f;
  int max_positions = 0;
  int num_mtp_layers = 0;
  int num_slices = 1;

  /// Floats of a cache row: latent and rotated key.
  int cache_width() const { return kv_lora_rank + qk_rope_head_dim; }
  int head_dim() const { return qk_nope_head_dim + qk_rope_head_dim; }
  int shared_intermediate_size() const { return moe_intermediate_size * num_shared_experts; }
  bool is_moe_layer(int layer) const { return layer >= num_dense_layers; }
};

struct WeightTensor {
  std::string name;
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  Dtype dtype = Dtype::kBf16;
  std::vector<int64_t> shape;
};

struct WeightPlan {
  std::string digest;
  std::vector<WeightTensor> tensors;
};

/// INVALID_ARGUMENT naming the first field that is impossible.
Status check_model_spec(const ModelSpec& spec);

}  // namespace switchyard::executor
