#include "executor/blocks/expert_bank.h"

namespace switchyard::executor {

Status ExpertBank::load(const ModelSpec& s, const WeightStore& store, LayerRange range,
                        const std::function<bool(int)>& holds) {
  const bool is_dense = s.num_experts == 0;
  intermediate_size_ = is_dense ? s.intermediate_size : s.moe_intermediate_size;
  layers_.resize(range.end);
  for (int layer = range.first; layer < range.end; ++layer) {
    if (!s.has_ffn_units(layer)) continue;
    layers_[layer].resize(s.num_ffn_units());
    const std::string mlp = "model.layers." + std::to_string(layer) + ".mlp";
    for (int e = 0; e < s.num_ffn_units(); ++e) {
      if (!holds(e) || (is_dense && e != layer)) continue;
      GatedFfn& ffn = layers_[layer][e];
      const std::string prefix = is_dense ? mlp : mlp + ".experts." + std::to_string(e);
      SWITCHYARD_RETURN_IF_ERROR(ffn.load(store, prefix, s.hidden_size, intermediate_size_, is_dense ? s.num_slices : 1,
                                          is_dense && s.has_ffn_bias));
    }
  }
  return {};
}

bool ExpertBank::holds(int layer, int expert) const {
  if (layer < 0 || layer >= static_cast<int>(layers_.size())) return false;
  const auto& experts = layers_[layer];
  return expert >= 0 && expert < static_cast<int>(experts.size()) && experts[expert].is_loaded();
}

void ExpertBank::run(ThreadPool* pool, int layer, int expert, const float* x, float* y, int num_rows) {
  const size_t needed = static_cast<size_t>(num_rows) * intermediate_size_;
  if (activated_.size() < needed) {
    activated_.resize(needed);
    gate_up_.resize(2 * needed);
  }
  layers_[layer][expert].forward(pool, x, y, num_rows, gate_up_.data(), activated_.data());
}

}  // namespace switchyard::executor
