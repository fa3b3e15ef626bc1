// The last step of a router, the same in all of its forms. In an anonymous namespace, as what vector forms share has to be.
#pragma once

#include "kernels/router/router.h"

namespace switchyard {
namespace {

/// Writes the weights of the experts in args.expert_ids. score: [num_experts].
inline void weigh_chosen(const RouterArgs& args, const float* score) {
  const RouterShape& shape = args.shape;
  float sum = 0.0f;
  for (int i = 0; i < shape.top_k; ++i) sum += score[args.expert_ids[i]];
  for (int i = 0; i < shape.top_k; ++i) {
    const float s = score[args.expert_ids[i]];
    args.weights[i] = shape.normalize ? (s / (sum + 1e-20f)) * shape.scale : s * shape.scale;
  }
}

}  // namespace
}  // namespace switchyard
