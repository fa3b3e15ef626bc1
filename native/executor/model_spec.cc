#include "executor/model_spec.h"

#include <algorithm>

#include "base/quantize_row.h"
#include "kernels/product/product.h"

namespace switchyard::executor {
namespace {

constexpr int kLargestDimension = 1 << 24;

struct Field {
  const char* name;
  int value;
  int least;
};

bool contains(const std::vector<int32_t>& layers, int layer) {
  return std::find(layers.begin(), layers.end(), layer) != layers.end();
}

Status invalid(const std::string& what) { return {Code::kInvalidArgument, "model." + what}; }

Status check_fields(std::initializer_list<Field> fields) {
  for (const Field& field : fields) {
    if (field.value < field.least || field.value > kLargestDimension) {
      return invalid(std::string(field.name) + " is " + std::to_string(field.value) + ", must be at least " +
                     std::to_string(field.least) + " and at most " + std::to_string(kLargestDimension));
    }
  }
  return {};
}

Status check_divisor(const char* what, int whole, int part) {
  if (whole % part == 0) return {};
  return invalid(std::string(what) + ": " + std::to_string(part) + " does not divide " + std::to_string(whole));
}

Status check_layer_list(const char* name, const std::vector<int32_t>& layers, int num_layers) {
  for (const int32_t layer : layers) {
    if (layer < 0 || layer >= num_layers)
      return invalid(std::string(name) + " names layer " + std::to_string(layer) + ", which the model does not have");
  }
  return {};
}

Status check_layers(const ModelSpec& s) {
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"vocabSize", s.vocab_size, 1},
                                           {"hiddenSize", s.hidden_size, 1},
                                           {"numLayers", s.num_layers, 1},
                                           {"numDenseLayers", s.num_dense_layers, 0},
                                           {"maxPositions", s.max_positions, 1},
                                           {"numMtpLayers", s.num_mtp_layers, 0},
                                           {"numSlices", s.num_slices, 1}}));
  if (s.num_dense_layers > s.num_layers) return invalid("numDenseLayers is above numLayers");
  SWITCHYARD_RETURN_IF_ERROR(check_layer_list("extraDenseLayers", s.extra_dense_layers, s.num_layers));
  if (s.num_slices > kMaxSlices) return invalid("numSlices is above " + std::to_string(kMaxSlices));
  return {};
}

Status check_mla(const ModelSpec& s) {
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"qLoraRank", s.q_lora_rank, 0},
                                           {"kvLoraRank", s.kv_lora_rank, 1},
                                           {"qkNopeHeadDim", s.qk_nope_head_dim, 1},
                                           {"qkRopeHeadDim", s.qk_rope_head_dim, 2}}));
  if (!(s.latent_norm_eps > 0.0f)) return invalid("latentNormEps must be positive");
  if (s.head_dim != s.qk_nope_head_dim + s.qk_rope_head_dim)
    return invalid("headDim is not the sum of qkNopeHeadDim and qkRopeHeadDim");
  if (s.rope.rotary_dim != s.qk_rope_head_dim) return invalid("rotaryDim is not qkRopeHeadDim");
  return {};
}

Status check_gqa(const ModelSpec& s) {
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("numKvHeads", s.num_heads, s.num_kv_heads));
  if (s.v_head_dim != s.head_dim) return invalid("vHeadDim is not headDim, as grouped queries need");
  if (s.rope.rotary_dim > s.head_dim) return invalid("rotaryDim is above headDim");
  return {};
}

Status check_rope(const RopeShape& rope) {
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"rotaryDim", rope.rotary_dim, 2}}));
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("rotaryDim", rope.rotary_dim, 2));
  if (!(rope.theta > 0.0)) return invalid("ropeTheta must be positive");
  if (rope.scaling == RopeScaling::kDefault || rope.scaling == RopeScaling::kTensor) return {};
  if (!(rope.factor >= 1.0)) return invalid("ropeScaling.factor must be at least 1");
  if (rope.scaling == RopeScaling::kLinear) return {};
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"ropeScaling.originalMaxPositions", rope.original_max_positions, 1}}));
  if (rope.scaling == RopeScaling::kYarn && !(rope.beta_fast > 0.0 && rope.beta_slow > 0.0 && rope.theta > 1.0))
    return invalid("ropeScaling of type yarn needs positive betas and a ropeTheta above 1");
  if (rope.scaling == RopeScaling::kLlama3 && !(rope.high_freq_factor > rope.low_freq_factor))
    return invalid("ropeScaling.highFreqFactor must be above lowFreqFactor");
  return {};
}

Status check_attention(const ModelSpec& s) {
  if (s.kernel_class == KernelClass::kMlaSplit && s.attention != AttentionKind::kMla)
    return {Code::kInvalidArgument, "kernel class mla-split is for latent attention, which the model does not have"};
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"numHeads", s.num_heads, 1},
                                           {"numKvHeads", s.num_kv_heads, 1},
                                           {"headDim", s.head_dim, 1},
                                           {"vHeadDim", s.v_head_dim, 1},
                                           {"slidingWindow", s.sliding_window, 0}}));
  SWITCHYARD_RETURN_IF_ERROR(check_layer_list("slidingLayers", s.sliding_layers, s.num_layers));
  SWITCHYARD_RETURN_IF_ERROR(s.attention == AttentionKind::kMla ? check_mla(s) : check_gqa(s));
  SWITCHYARD_RETURN_IF_ERROR(check_rope(s.rope));
  return check_divisor("numSlices (of numHeads)", s.num_heads, s.num_slices);
}

Status check_experts(const ModelSpec& s) {
  if (s.num_experts == 0) {
    if (s.num_dense_layers < s.num_layers || s.num_mtp_layers > 0)
      return invalid("numExperts is 0 in a model with layers of experts");
    return {};
  }
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"moeIntermediateSize", s.moe_intermediate_size, 1},
                                           {"numExperts", s.num_experts, 1},
                                           {"numExpertsPerToken", s.num_experts_per_token, 1},
                                           {"numSharedExperts", s.num_shared_experts, 0},
                                           {"sharedIntermediateSize", s.shared_intermediate_size, s.num_shared_experts},
                                           {"numExpertGroups", s.num_expert_groups, 1},
                                           {"numTopkGroups", s.num_topk_groups, 1}}));
  if (s.num_topk_groups > s.num_expert_groups) return invalid("numTopkGroups is above numExpertGroups");
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("numExpertGroups", s.num_experts, s.num_expert_groups));
  if (s.num_experts_per_token > s.num_experts / s.num_expert_groups * s.num_topk_groups)
    return invalid("numExpertsPerToken is above the experts of numTopkGroups groups");
  return check_divisor("numSlices (of the shared expert)", s.shared_intermediate_size, s.num_slices);
}

}  // namespace

bool ModelSpec::is_moe_layer(int layer) const {
  return layer >= num_dense_layers && !contains(extra_dense_layers, layer);
}

size_t ModelSpec::expert_row_bytes() const {
  return has_int8_expert_rows() ? int8_wire_bytes(hidden_size) : hidden_size * sizeof(float);
}

int ModelSpec::window_of(int layer) const { return contains(sliding_layers, layer) ? sliding_window : 0; }

Status check_model_spec(const ModelSpec& s) {
  SWITCHYARD_RETURN_IF_ERROR(check_layers(s));
  SWITCHYARD_RETURN_IF_ERROR(check_attention(s));
  const bool has_dense = s.num_dense_layers > 0 || !s.extra_dense_layers.empty();
  SWITCHYARD_RETURN_IF_ERROR(check_fields({{"intermediateSize", s.intermediate_size, has_dense ? 1 : 0}}));
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("numSlices (of intermediateSize)", s.intermediate_size, s.num_slices));
  return check_experts(s);
}

}  // namespace switchyard::executor
