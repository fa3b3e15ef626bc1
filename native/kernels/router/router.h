// The sigmoid, group-limited router with selection bias of DeepSeek-V3 (docs/numerics.md, operation 8; arXiv 2412.19437, section 2.1.2).
// Called by the MoE block once a row, after the product with the gate's weight.
#pragma once

#include <cstdint>

namespace switchyard {

struct RouterShape {
  int num_experts;
  int num_groups;      // divides num_experts
  int num_top_groups;  // 1 .. num_groups
  int top_k;           // 1 .. num_experts
  float scale;
  bool normalize;
};

/// logits, bias: [num_experts]. Writes the chosen experts in gate order and their weights, [top_k] each.
/// scratch: 3 * num_experts floats.
void route(const RouterShape& shape, const float* logits, const float* bias, int32_t* expert_ids, float* weights,
           float* scratch);

}  // namespace switchyard
