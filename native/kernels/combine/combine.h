// The FFN sum (docs/numerics.md, operation 9): y[row] = fma(weight_i, expert_out_i, y[row]) over the routed experts in gate order.
// Called by the MoE block, once a step, on what came back from the experts. Source: arXiv 2412.19437, section 2.1.2 (DeepSeek-V3).
#pragma once

#include <cstddef>
#include <vector>

namespace switchyard {

struct CombineArgs {
  /// [num_rows][top_k]: where the outputs lie, unweighted: [size] fp32, or INT8 with a scale (base/quantize_row.h).
  const std::byte* const* outputs;
  bool is_int8;
  const float* weights;  // [num_rows][top_k]
  float* y;              // [num_rows][size]: the shared expert's output, added to
  int num_rows;
  int top_k;
  int size;
};

/// CombineArgs::outputs of rows that lie behind each other.
inline std::vector<const std::byte*> rows_behind_each_other(const void* first, size_t row_bytes, size_t num_rows) {
  std::vector<const std::byte*> rows(num_rows);
  for (size_t i = 0; i < num_rows; ++i) rows[i] = static_cast<const std::byte*>(first) + i * row_bytes;
  return rows;
}

void combine_ref(const CombineArgs& args);
void combine_avx2(const CombineArgs& args);
void combine_avx512(const CombineArgs& args);

}  // namespace switchyard
