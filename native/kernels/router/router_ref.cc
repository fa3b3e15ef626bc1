#include "kernels/router/router.h"

#include <limits>

#include "base/math.h"
#include "kernels/router/router_weights.h"
#include "kernels/softmax/softmax_sum.h"

namespace switchyard {
namespace {

float sum_of_two_largest(const float* choice, int count) {
  if (count == 1) return choice[0];
  float larger = choice[0] > choice[1] ? choice[0] : choice[1];
  float smaller = choice[0] > choice[1] ? choice[1] : choice[0];
  for (int i = 2; i < count; ++i) {
    if (choice[i] > larger) {
      smaller = larger;
      larger = choice[i];
    } else if (choice[i] > smaller) {
      smaller = choice[i];
    }
  }
  return larger + smaller;
}

/// Index of the largest value that is not taken, the lowest index on ties.
int best_untaken(const float* values, const float* taken, int count) {
  int best = -1;
  for (int i = 0; i < count; ++i) {
    if (taken[i] == 0.0f && (best < 0 || values[i] > values[best])) best = i;
  }
  return best;
}

float largest(const float* choice, int count) {
  float best = choice[0];
  for (int i = 1; i < count; ++i) best = choice[i] > best ? choice[i] : best;
  return best;
}

void score_experts(const RouterShape& shape, const float* logits, float* score) {
  if (shape.score == RouterScore::kSigmoid) {
    for (int e = 0; e < shape.num_experts; ++e) score[e] = sigmoid32(logits[e]);
    return;
  }
  const SoftmaxSum softmax = softmax_sum_ref(logits, shape.num_experts);
  for (int e = 0; e < shape.num_experts; ++e) score[e] = exp32(logits[e] - softmax.max) / softmax.sum;
}

/// Sets the choice of every expert outside the best groups to -inf: 0 would win over choices that a bias makes negative.
void mask_groups(const RouterShape& shape, float* choice, float* group_score, float* kept) {
  const int group_size = shape.num_experts / shape.num_groups;
  for (int g = 0; g < shape.num_groups; ++g) {
    const float* group = choice + g * group_size;
    group_score[g] =
        shape.group_score == GroupScore::kLargest ? largest(group, group_size) : sum_of_two_largest(group, group_size);
    kept[g] = 0.0f;
  }
  for (int i = 0; i < shape.num_top_groups; ++i) kept[best_untaken(group_score, kept, shape.num_groups)] = 1.0f;
  for (int e = 0; e < shape.num_experts; ++e) {
    if (kept[e / group_size] == 0.0f) choice[e] = -std::numeric_limits<float>::infinity();
  }
}

}  // namespace

void router_ref(const RouterArgs& args) {
  const RouterShape& shape = args.shape;
  const int n = shape.num_experts;
  float* choice = args.scratch;
  float* group_score = choice + n;
  float* taken = group_score + n;
  float* score = taken + n;
  score_experts(shape, args.logits, score);
  for (int e = 0; e < n; ++e) choice[e] = args.bias ? score[e] + args.bias[e] : score[e];
  mask_groups(shape, choice, group_score, taken);
  for (int e = 0; e < n; ++e) taken[e] = 0.0f;
  for (int i = 0; i < shape.top_k; ++i) {
    const int best = best_untaken(choice, taken, n);
    taken[best] = 1.0f;
    args.expert_ids[i] = best;
  }
  weigh_chosen(args, score);
}

}  // namespace switchyard
