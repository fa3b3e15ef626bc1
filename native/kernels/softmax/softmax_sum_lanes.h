// The vector form of softmax_sum. Include after a lanes_*.h.
#pragma once

#include "kernels/lanes/exp_lanes.h"
#include "kernels/lanes/largest_lanes.h"
#include "kernels/softmax/softmax_sum.h"

namespace switchyard {
namespace {

inline SoftmaxSum run_softmax_sum(const float* x, int size) {
  const float max = largest_lanes(x, size);
  const Lanes shift = Lanes::broadcast(max);
  Lanes sum = Lanes::zero();
  int i = 0;
  for (; i + 16 <= size; i += 16) sum = Lanes::add(sum, exp32_lanes(Lanes::sub(Lanes::load(x + i), shift)));
  if (const int rest = size - i; rest > 0) {
    sum =
        Lanes::blend_first(Lanes::add(sum, exp32_lanes(Lanes::sub(Lanes::load_first(x + i, rest), shift))), sum, rest);
  }
  return {max, sum.fold()};
}

}  // namespace
}  // namespace switchyard
