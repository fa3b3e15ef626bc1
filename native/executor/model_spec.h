// The native twin of ModelSpec and WeightPlan (libs/model/src/spec.ts): what the addon hands down, checked before anything is allocated.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/status.h"
#include "executor/weights/stored_type.h"
#include "kernels/rope/rope_frequencies.h"
#include "kernels/router/router.h"

namespace switchyard::executor {

enum class AttentionKind { kMla, kGqa };
/// RMSNorm of queries and keys before RoPE: of each head, or of all heads of a token at once.
enum class QkNorm { kNone, kHead, kFull };

/// The policy that a model is served in (docs/numerics.md): which matrices stay as they are for narrow products, in place of being widened to
/// fp32: none, those in bf16, in int8, or in GGUF's blocks. With int8 go experts' rows and the cache.
enum class WeightPolicy : uint8_t { kFp32, kBf16, kW8a8, kBlockA8 };

/// Which operations a model is served by (docs/numerics.md): in kMlaSplit, prompts attend to keys and values that are widened from the latents.
enum class KernelClass : uint8_t { kFma16, kMlaSplit };

struct ModelSpec {
  WeightPolicy policy = WeightPolicy::kFp32;  // not of the checkpoint alone, as the next one
  KernelClass kernel_class = KernelClass::kFma16;
  int vocab_size = 0;
  int hidden_size = 0;
  int num_layers = 0;
  int num_dense_layers = 0;
  std::vector<int32_t> extra_dense_layers;  // ascending, above num_dense_layers
  bool tie_word_embeddings = false;
  float rms_norm_eps = 1e-6f;
  int max_positions = 0;
  int num_mtp_layers = 0;

  AttentionKind attention = AttentionKind::kMla;
  int num_heads = 0;
  int num_kv_heads = 0;
  int head_dim = 0;     // of a query and a key: qk_nope_head_dim + qk_rope_head_dim in MLA
  int v_head_dim = 0;   // head_dim in GQA
  int q_lora_rank = 0;  // MLA, as the five that follow; 0: the query is projected at once
  int kv_lora_rank = 0;
  int qk_nope_head_dim = 0;
  int qk_rope_head_dim = 0;
  float latent_norm_eps = 1e-6f;
  bool has_split_kv_b = false;
  QkNorm qk_norm = QkNorm::kNone;
  bool has_qkv_bias = false;  // MLA: of q_a_proj and kv_a_proj_with_mqa
  bool has_output_bias = false;
  double attention_scale_factor = 1.0;  // times 1 / sqrt(head_dim)
  int sliding_window = 0;               // keys that a query sees in the sliding layers; 0: all
  std::vector<int32_t> sliding_layers;  // ascending
  RopeShape rope;

  int intermediate_size = 0;
  bool has_ffn_bias = false;  // of dense and shared FFNs
  int moe_intermediate_size = 0;
  int num_experts = 0;  // 0: a dense model
  int num_experts_per_token = 0;
  int num_shared_experts = 0;
  int shared_intermediate_size = 0;  // of all shared experts together
  bool has_shared_expert_gate = false;
  RouterScore router = RouterScore::kSigmoid;
  bool has_router_bias = true;
  GroupScore group_score = GroupScore::kTwoLargest;
  int num_expert_groups = 0;
  int num_topk_groups = 0;
  float routed_scaling_factor = 1.0f;
  bool norm_topk_prob = true;
  int num_slices = 1;

  /// Numbers of a cache row: latent and rotated key, or the keys and then the values of all key heads. How they lie in the cache is the
  /// matter of CacheLayout.
  int cache_width() const {
    return attention == AttentionKind::kMla ? kv_lora_rank + qk_rope_head_dim : num_kv_heads * (head_dim + v_head_dim);
  }
  /// Floats of a value as the attention kernel weighs it.
  int cached_value_dim() const { return attention == AttentionKind::kMla ? kv_lora_rank : v_head_dim; }
  bool is_moe_layer(int layer) const;
  /// What can lie on other ranks: the routed experts, or in a dense model the FFNs of its layers, of which unit i is layer i's.
  int num_ffn_units() const { return num_experts > 0 ? num_experts : num_layers; }
  int ffn_units_per_token() const { return num_experts > 0 ? num_experts_per_token : 1; }
  bool has_ffn_units(int layer) const { return num_experts == 0 || is_moe_layer(layer); }
  /// Whether rows go to experts and come back in INT8 with a scale each (base/quantize_row.h), not in fp32.
  bool has_int8_expert_rows() const { return policy == WeightPolicy::kW8a8; }
  size_t expert_row_bytes() const;
  /// Keys that a query of this layer sees; 0: all.
  int window_of(int layer) const;
};

struct WeightTensor {
  std::string name;
  std::string file;
  uint64_t offset = 0;
  uint64_t bytes = 0;
  StoredType dtype = StoredType::kBf16;
  std::vector<int64_t> shape;
  /// Plain floats [ceil(rows / block rows), ceil(columns / block columns)] that a matrix of fp8 or int8 is multiplied by, block by
  /// block; else empty.
  std::shared_ptr<const WeightTensor> scales = nullptr;
  std::vector<int64_t> scale_block = {};  // rows and columns that share a scale
};

struct WeightPlan {
  std::string digest;
  std::vector<WeightTensor> tensors;
};

/// INVALID_ARGUMENT naming the first field that is impossible.
Status check_model_spec(const ModelSpec& spec);

}  // namespace switchyard::executor
