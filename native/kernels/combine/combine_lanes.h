// The vector form of combine. Include after a lanes_*.h.
#pragma once

#include "kernels/combine/combine.h"

namespace switchyard {
namespace {

inline void run_combine(const CombineArgs& args) {
  for (int row = 0; row < args.num_rows; ++row) {
    const float* weights = args.weights + static_cast<size_t>(row) * args.top_k;
    const float* pairs = args.pair_out + static_cast<size_t>(row) * args.top_k * args.size;
    float* y = args.y + static_cast<size_t>(row) * args.size;
    for (int k = 0; k < args.size; k += 16) {
      const int width = args.size - k < 16 ? args.size - k : 16;
      Lanes sum = Lanes::load_first(y + k, width);
      for (int i = 0; i < args.top_k; ++i) {
        sum = Lanes::fma(Lanes::broadcast(weights[i]),
                         Lanes::load_first(pairs + static_cast<size_t>(i) * args.size + k, width), sum);
      }
      sum.store_first(y + k, width);
    }
  }
}

}  // namespace
}  // namespace switchyard
