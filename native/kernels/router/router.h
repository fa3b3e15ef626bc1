// The choice of experts and of their weights (docs/numerics.md, operation 8): sigmoid or softmax scores, a bias for the choice, groups
// limited by their best experts. Called by the MoE block once a row, after the product with the gate's weight.
// s = score(logits); the best top_k of s + bias in the best num_top_groups groups; weight = s / (sum of the chosen s) * scale.
// Sources: arXiv 2412.19437, section 2.1.2 (DeepSeek-V3); arXiv 2405.04434, section 2.1.2 (DeepSeek-V2).
#pragma once

#include <cstdint>

namespace switchyard {

enum class RouterScore { kSigmoid, kSoftmax };

/// What a group of experts is chosen by.
enum class GroupScore { kTwoLargest, kLargest };

struct RouterShape {
  int num_experts;
  int num_groups;      // divides num_experts
  int num_top_groups;  // 1 .. num_groups
  int top_k;           // 1 .. num_experts
  float scale;
  bool normalize;
  RouterScore score = RouterScore::kSigmoid;
  GroupScore group_score = GroupScore::kTwoLargest;
};

/// Floats of a router's scratch an expert.
inline constexpr int kRouterScratch = 4;

struct RouterArgs {
  RouterShape shape;
  const float* logits;  // [num_experts]
  const float* bias;    // [num_experts], or null
  int32_t* expert_ids;  // [top_k], the chosen experts in gate order
  float* weights;       // [top_k], theirs
  float* scratch;       // [kRouterScratch * num_experts]
};

void router_ref(const RouterArgs& args);
void router_avx2(const RouterArgs& args);
void router_avx512(const RouterArgs& args);

}  // namespace switchyard
