// The vector form of router: what is taken, or stands in a group that is not chosen, is set to a number that loses every comparison.
// Include after a lanes_*.h.
#pragma once

#include "kernels/lanes/exp_lanes.h"
#include "kernels/lanes/lane_parts.h"
#include "kernels/router/router.h"
#include "kernels/router/router_weights.h"
#include "kernels/softmax/softmax_sum_lanes.h"

namespace switchyard {
namespace {

constexpr float kTaken = __builtin_nanf("");
constexpr float kOutside = -__builtin_inff();

/// Index of the largest value that is not kTaken, the lowest index on ties. There is one.
inline int best_untaken(const float* values, int count) {
  Lanes most = Lanes::broadcast(-__builtin_inff());
  for_each_part(count, [&](int i, auto part) { most = part.blend(Lanes::max(part.load(values + i), most), most); });
  const Lanes largest = Lanes::broadcast(most.largest());
  for (int i = 0;; i += 16) {
    const int rest = count - i;
    const Lanes some = rest < 16 ? Lanes::load_first(values + i, rest) : Lanes::load(values + i);
    // What is read as 0 behind the end comes after the one that is looked for.
    if (const uint32_t found = Lanes::equal_bits(some, largest)) return i + __builtin_ctz(found);
  }
}

/// The largest choice of a group plus, with `is_sum` and if there is one, the second.
inline float score_group(float* choice, int count, bool is_sum) {
  const int first = best_untaken(choice, count);
  const float largest = choice[first];
  if (!is_sum || count == 1) return largest;
  choice[first] = kTaken;
  const float second = choice[best_untaken(choice, count)];
  choice[first] = largest;
  return largest + second;
}

inline void leave_best_groups(const RouterShape& shape, float* choice, float* group_score) {
  const int group_size = shape.num_experts / shape.num_groups;
  for (int g = 0; g < shape.num_groups; ++g)
    group_score[g] = score_group(choice + g * group_size, group_size, shape.group_score == GroupScore::kTwoLargest);
  for (int i = 0; i < shape.num_top_groups; ++i) group_score[best_untaken(group_score, shape.num_groups)] = kTaken;
  for (int g = 0; g < shape.num_groups; ++g) {
    if (group_score[g] != group_score[g]) continue;
    for (int e = 0; e < group_size; ++e) choice[g * group_size + e] = kOutside;
  }
}

/// Writes score and choice of every expert; false where a choice is NaN.
inline bool score_experts(const RouterArgs& args, float* score, float* choice) {
  const RouterShape& shape = args.shape;
  const bool is_softmax = shape.score == RouterScore::kSoftmax;
  const SoftmaxSum softmax = is_softmax ? run_softmax_sum(args.logits, shape.num_experts) : SoftmaxSum{};
  bool has_nan = false;
  for_each_part(shape.num_experts, [&](int e, auto part) {
    const Lanes logits = part.load(args.logits + e);
    const Lanes s = is_softmax ? Lanes::div(exp32_lanes(Lanes::sub(logits, Lanes::broadcast(softmax.max))),
                                            Lanes::broadcast(softmax.sum))
                               : sigmoid32_lanes(logits);
    const Lanes chosen_by = args.bias ? Lanes::add(s, part.load(args.bias + e)) : s;
    has_nan |= Lanes::equal_bits(chosen_by, chosen_by) != 0xffff;
    part.store(s, score + e);
    part.store(chosen_by, choice + e);
  });
  return !has_nan;
}

inline void run_router(const RouterArgs& args) {
  const RouterShape& shape = args.shape;
  float* choice = args.scratch;
  float* group_score = choice + shape.num_experts;
  float* score = group_score + shape.num_experts;
  // A NaN that is no mark of ours: what it wins and loses depends on its place, as the reference goes about it.
  if (!score_experts(args, score, choice)) return router_ref(args);
  if (shape.num_top_groups < shape.num_groups) leave_best_groups(shape, choice, group_score);
  for (int i = 0; i < shape.top_k; ++i) {
    args.expert_ids[i] = best_untaken(choice, shape.num_experts);
    choice[args.expert_ids[i]] = kTaken;
  }
  weigh_chosen(args, score);
}

}  // namespace
}  // namespace switchyard
