#include "executor/model_spec.h"

#include "kernels/product/product.h"

namespace switchyard::executor {
namespace {

constexpr int kLargestDimension = 1 << 24;

struct Field {
  const char* name;
  int value;
  int least;
};

Status check_ranges(const ModelSpec& s) {
  const Field fields[] = {
      {"vocabSize", s.vocab_size, 1},
      {"hiddenSize", s.hidden_size, 1},
      {"numLayers", s.num_layers, 1},
      {"numDenseLayers", s.num_dense_layers, 0},
      {"numHeads", s.num_heads, 1},
      {"qLoraRank", s.q_lora_rank, 1},
      {"kvLoraRank", s.kv_lora_rank, 1},
      {"qkNopeHeadDim", s.qk_nope_head_dim, 1},
      {"qkRopeHeadDim", s.qk_rope_head_dim, 2},
      {"vHeadDim", s.v_head_dim, 1},
      {"intermediateSize", s.intermediate_size, 1},
      {"moeIntermediateSize", s.moe_intermediate_size, 1},
      {"numExperts", s.num_experts, 1},
      {"numExpertsPerToken", s.num_experts_per_token, 1},
      {"numSharedExperts", s.num_shared_experts, 0},
      {"numExpertGroups", s.num_expert_groups, 1},
      {"numTopkGroups", s.num_topk_groups, 1},
      {"maxPositions", s.max_positions, 1},
      {"numMtpLayers", s.num_mtp_layers, 0},
      {"numSlices", s.num_slices, 1},
  };
  for (const Field& field : fields) {
    if (field.value < field.least || field.value > kLargestDimension) {
      return {Code::kInvalidArgument, std::string("model.") + field.name + " is " + std::to_string(field.value) +
                                          ", must be at least " + std::to_string(field.least) + " and at most " +
                                          std::to_string(kLargestDimension)};
    }
  }
  return {};
}

Status check_divisor(const char* what, int whole, int part) {
  if (whole % part == 0) return {};
  return {Code::kInvalidArgument,
          std::string("model.") + what + ": " + std::to_string(part) + " does not divide " + std::to_string(whole)};
}

}  // namespace

Status check_model_spec(const ModelSpec& s) {
  SWITCHYARD_RETURN_IF_ERROR(check_ranges(s));
  if (s.num_dense_layers > s.num_layers) return {Code::kInvalidArgument, "model.numDenseLayers is above numLayers"};
  if (s.num_experts_per_token > s.num_experts)
    return {Code::kInvalidArgument, "model.numExpertsPerToken is above numExperts"};
  if (s.num_topk_groups > s.num_expert_groups)
    return {Code::kInvalidArgument, "model.numTopkGroups is above numExpertGroups"};
  if (s.num_slices > kMaxSlices)
    return {Code::kInvalidArgument, "model.numSlices is above " + std::to_string(kMaxSlices)};
  if (s.rope_theta <= 0.0) return {Code::kInvalidArgument, "model.ropeTheta must be positive"};
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("qkRopeHeadDim", s.qk_rope_head_dim, 2));
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("numExpertGroups", s.num_experts, s.num_expert_groups));
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("numSlices (of numHeads)", s.num_heads, s.num_slices));
  SWITCHYARD_RETURN_IF_ERROR(check_divisor("numSlices (of intermediateSize)", s.intermediate_size, s.num_slices));
  return check_divisor("numSlices (of the shared expert)", s.shared_intermediate_size(), s.num_slices);
}

}  // namespace switchyard::executor
