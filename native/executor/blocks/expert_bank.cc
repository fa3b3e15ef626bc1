#include "executor/blocks/expert_bank.h"

#include <cstring>

#include "base/quantize_row.h"
#include "executor/blocks/shared_work.h"

namespace switchyard::executor {

Status ExpertBank::load(const ModelSpec& s, const WeightStore& store, LayerRange range,
                        const std::function<bool(int)>& holds) {
  const bool is_dense = s.num_experts == 0;
  hidden_size_ = s.hidden_size;
  has_int8_rows_ = s.has_int8_expert_rows();
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

void ExpertBank::run(ThreadPool* pool, int layer, std::span<const ExpertRows> experts,
                     std::span<const std::byte* const> rows, std::byte* out) {
  reserve(rows.size(), experts.size());
  size_t row = 0;
  for (size_t i = 0; i < experts.size(); ++i) {
    const auto& [expert, num_rows] = experts[i];
    const GatedFfn& ffn = layers_[layer][expert];
    ffns_[i] = {&ffn, reserve_rows(ffn, num_rows, &x_[row * hidden_size_], &inputs_[i])};
    for (int own = 0; own < num_rows; ++own) places_[row++] = {i, own};
  }
  share_items(pool, static_cast<int>(rows.size()), kNarrowWork * hidden_size_, [&](int first, int end, int) {
    for (size_t i = first; i < static_cast<size_t>(end); ++i) fill_row(rows[i], places_[i], &x_[i * hidden_size_]);
  });
  float* y = has_int8_rows_ ? y_.data() : reinterpret_cast<float*>(out);
  GatedFfn::forward_all(pool, std::span(ffns_).first(experts.size()), y, gate_up_.data(), activated_.data());
  if (has_int8_rows_) shared_quantize(pool, y, static_cast<int>(rows.size()), hidden_size_, out);
}

void ExpertBank::reserve(size_t num_rows, size_t num_experts) {
  if (inputs_.size() < num_experts) {
    inputs_.resize(num_experts);
    ffns_.resize(num_experts);
  }
  if (places_.size() >= num_rows) return;
  places_.resize(num_rows);
  x_.resize(num_rows * hidden_size_);
  gate_up_.resize(2 * num_rows * intermediate_size_);
  activated_.resize(num_rows * intermediate_size_);
  if (has_int8_rows_) y_.resize(num_rows * hidden_size_);
}

/// Room for the rows of an expert. INT8 rows go to INT8 weights as they are; other weights take their numbers.
ProductInput ExpertBank::reserve_rows(const GatedFfn& ffn, int num_rows, const float* x, InputStorage* storage) const {
  if (!has_int8_rows_ || !ffn.takes_int8()) return ffn.reserve(x, num_rows, storage);
  storage->int8.resize(hidden_size_, num_rows);
  return {nullptr, 0, num_rows, &storage->int8};
}

/// x: its place in x_, which numbers go through only if nothing narrow can be made of them where they lie.
void ExpertBank::fill_row(const std::byte* row, const RowPlace& place, float* x) {
  const auto& [ffn, input] = ffns_[place.ffn_idx];
  InputStorage* storage = &inputs_[place.ffn_idx];
  if (has_int8_rows_ && ffn->takes_int8()) return storage->int8.set_row(place.row, row);
  const float* numbers = x;
  if (has_int8_rows_) {
    widen_int8_row(row, hidden_size_, x);
  } else if (input.is_narrow()) {
    numbers = reinterpret_cast<const float*>(row);
  } else {
    std::memcpy(x, row, hidden_size_ * sizeof(float));
  }
  ffn->fill_row(numbers, place.row, input, storage);
}

}  // namespace switchyard::executor
