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

const std::byte* ExpertBank::run(ThreadPool* pool, int layer, std::span<const ExpertRows> experts,
                                 std::span<const std::byte* const> rows) {
  reserve(rows.size(), experts.size());
  first_rows_.clear();
  size_t num_rows = 0;
  for (const ExpertRows& of : experts) {
    first_rows_.push_back(num_rows);
    num_rows += of.num_rows;
  }
  const int num_experts = static_cast<int>(experts.size());
  pool->run_ranges(num_experts, items_a_piece(kNarrowWork * num_rows * hidden_size_ / num_experts),
                   [&](int first, int end, int) {
                     for (int i = first; i < end; ++i) {
                       const GatedFfn& ffn = layers_[layer][experts[i].expert];
                       const auto own_rows = rows.subspan(first_rows_[i], experts[i].num_rows);
                       ffns_[i] = {&ffn, gather(ffn, own_rows, &x_[first_rows_[i] * hidden_size_], &inputs_[i])};
                     }
                   });
  GatedFfn::forward_all(pool, std::span(ffns_).first(num_experts), y_.data(), gate_up_.data(), activated_.data());
  if (!has_int8_rows_) return reinterpret_cast<const std::byte*>(y_.data());
  shared_quantize(pool, y_.data(), static_cast<int>(rows.size()), hidden_size_, out_.data());
  return out_.data();
}

void ExpertBank::reserve(size_t num_rows, size_t num_experts) {
  if (inputs_.size() < num_experts) {
    inputs_.resize(num_experts);
    ffns_.resize(num_experts);
  }
  if (y_.size() >= num_rows * hidden_size_) return;
  x_.resize(num_rows * hidden_size_);
  y_.resize(num_rows * hidden_size_);
  gate_up_.resize(2 * num_rows * intermediate_size_);
  activated_.resize(num_rows * intermediate_size_);
  if (has_int8_rows_) out_.resize(num_rows * int8_wire_bytes(hidden_size_));
}

/// INT8 rows go to INT8 weights as they are; other weights take their numbers.
ProductInput ExpertBank::gather(const GatedFfn& ffn, std::span<const std::byte* const> rows, float* x,
                                InputStorage* storage) const {
  const int n = static_cast<int>(rows.size());
  const size_t hidden = hidden_size_;
  if (has_int8_rows_ && ffn.takes_int8()) {
    storage->int8.resize(hidden_size_, n);
    for (int i = 0; i < n; ++i) storage->int8.set_row(i, rows[i]);
    return {nullptr, 0, n, &storage->int8};
  }
  for (int i = 0; i < n; ++i) {
    if (has_int8_rows_) {
      widen_int8_row(rows[i], hidden, x + i * hidden);
    } else {
      std::memcpy(x + i * hidden, rows[i], hidden * sizeof(float));
    }
  }
  return ffn.prepare(x, n, storage);
}

}  // namespace switchyard::executor
