#include "executor/blocks/expert_bank.h"

namespace switchyard::executor {

Status ExpertBank::load(const ModelSpec& s, const WeightStore& store, int num_layers,
                        const std::function<bool(int)>& holds) {
  intermediate_size_ = s.moe_intermediate_size;
  layers_.resize(num_layers);
  for (int layer = 0; layer < num_layers; ++layer) {
    if (!s.is_moe_layer(layer)) continue;
    layers_[layer].resize(s.num_experts);
    for (int e = 0; e < s.num_experts; ++e) {
      if (!holds(e)) continue;
      const std::string prefix = "model.layers." + std::to_string(layer) + ".mlp.experts." + std::to_string(e);
      SWITCHYARD_RETURN_IF_ERROR(layers_[layer][e].load(store, prefix, s.hidden_size, s.moe_intermediate_size, 1));
    }
  }
  return {};
}

bool ExpertBank::holds(int layer, int expert) const {
  if (layer < 0 || layer >= static_cast<int>(layers_.size())) return false;
  const auto& experts = layers_[layer];
  return expert >= 0 && expert < static_cast<int>(experts.size()) && experts[expert].is_loaded();
}

void ExpertBank::run(int layer, int expert, const float* x, float* y, int num_rows) {
  const size_t needed = static_cast<size_t>(num_rows) * intermediate_size_;
  if (activated_.size() < needed) {
    activated_.resize(needed);
    gate_up_.resize(2 * needed);
  }
  layers_[layer][expert].forward(x, y, num_rows, gate_up_.data(), activated_.data());
}

}  // namespace switchyard::executor
