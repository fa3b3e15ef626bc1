// The weights of routed experts, or of the FFNs of a dense model, that this process holds, and their computation.
// Called by LocalExperts and by the expert server.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "executor/blocks/gated_ffn.h"
#include "executor/model_spec.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard::executor {

/// Layers [first, end); the MTP layer comes behind the main ones.
struct LayerRange {
  int first;
  int end;
};

/// Rows of one expert among those of several.
struct ExpertRows {
  int expert;
  int num_rows;
};

class ExpertBank {
 public:
  /// Experts are run together until they have so many rows: a few rows alone are not worth sharing among threads.
  static constexpr int kRowsTogether = 256;

  /// Loads the experts that `holds` accepts, of those layers of the range that have some.
  Status load(const ModelSpec& spec, const WeightStore& store, LayerRange range,
              const std::function<bool(int expert)>& holds);

  bool holds(int layer, int expert) const;

  /// Rows as they go to experts ([hidden] fp32, or INT8 with a scale: ModelSpec::expert_row_bytes), wherever they lie, those of the first
  /// expert first -> out: as many of that form, one behind the other. Grows its scratch to the most rows seen; one caller at a time.
  void run(ThreadPool* pool, int layer, std::span<const ExpertRows> experts, std::span<const std::byte* const> rows,
           std::byte* out);

 private:
  /// Which FFN of a call a row goes to, and its number among that one's rows.
  struct RowPlace {
    size_t ffn_idx;
    int row;
  };

  void reserve(size_t num_rows, size_t num_experts);
  ProductInput reserve_rows(const GatedFfn& ffn, int num_rows, const float* x, InputStorage* storage) const;
  void fill_row(const std::byte* row, const RowPlace& place, float* x);

  int hidden_size_ = 0;
  int intermediate_size_ = 0;
  bool has_int8_rows_ = false;
  std::vector<std::vector<GatedFfn>> layers_;  // [layer][expert]; empty where there are none
  std::vector<FfnRows> ffns_;                  // [experts of a call]
  std::vector<InputStorage> inputs_;           // [experts of a call]: their narrow form
  std::vector<RowPlace> places_;               // [rows]
  std::vector<float> x_;                       // [rows][hidden], of rows that are not made narrow where they lie
  std::vector<float> y_;                       // [rows][hidden], of outputs that become INT8
  std::vector<float> gate_up_;
  std::vector<float> activated_;
};

}  // namespace switchyard::executor
