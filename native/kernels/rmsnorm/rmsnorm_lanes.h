// The vector form of rmsnorm. Include after a lanes_*.h.
#pragma once

#include "kernels/rmsnorm/rmsnorm.h"

namespace switchyard {
namespace {

inline float sum_of_squares(const float* x, int size) {
  Lanes sum = Lanes::zero();
  int k = 0;
  for (; k + 16 <= size; k += 16) {
    const Lanes v = Lanes::load(x + k);
    sum = Lanes::fma(v, v, sum);
  }
  if (k < size) {
    const Lanes v = Lanes::load_first(x + k, size - k);
    sum = Lanes::blend_first(Lanes::fma(v, v, sum), sum, size - k);
  }
  return sum.fold();
}

inline void run_rmsnorm(const RmsNormArgs& args) {
  for (int t = 0; t < args.num_tokens; ++t) {
    const float* x = args.x + t * args.x_stride;
    float* y = args.y + t * args.y_stride;
    const float mean = sum_of_squares(x, args.size) / static_cast<float>(args.size);
    const Lanes r = Lanes::broadcast(1.0f / __builtin_sqrtf(mean + args.eps));
    int k = 0;
    for (; k + 16 <= args.size; k += 16)
      Lanes::mul(Lanes::mul(Lanes::load(x + k), r), Lanes::load(args.weight + k)).store(y + k);
    const int rest = args.size - k;
    if (rest > 0)
      Lanes::mul(Lanes::mul(Lanes::load_first(x + k, rest), r), Lanes::load_first(args.weight + k, rest))
          .store_first(y + k, rest);
  }
}

}  // namespace
}  // namespace switchyard
