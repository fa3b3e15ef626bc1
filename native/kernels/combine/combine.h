// The FFN sum (docs/numerics.md, operation 9): y[row] = fma(weight_i, expert_out_i, y[row]) over the routed experts in gate order.
// Called by the MoE block, once a step, on what came back from the experts. Source: arXiv 2412.19437, section 2.1.2 (DeepSeek-V3).
#pragma once

#include <cstddef>

namespace switchyard {

struct CombineArgs {
  const std::byte*
      pair_out;  // [num_rows][top_k], pair_bytes apart: [size] fp32, or INT8 with a scale (base/quantize_row.h); unweighted
  size_t pair_bytes;
  bool is_int8;
  const float* weights;  // [num_rows][top_k]
  float* y;              // [num_rows][size]: the shared expert's output, added to
  int num_rows;
  int top_k;
  int size;
};

void combine_ref(const CombineArgs& args);
void combine_avx2(const CombineArgs& args);
void combine_avx512(const CombineArgs& args);

}  // namespace switchyard
