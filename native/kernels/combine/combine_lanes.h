// The vector form of combine. Include after a lanes_*.h.
#pragma once

#include "kernels/combine/combine.h"
#include "kernels/lanes/int8_row_lanes.h"

namespace switchyard {
namespace {

/// The first `width` numbers of an expert's output from k on.
inline Lanes load_output(const CombineArgs& args, const std::byte* out, int k, int width) {
  if (!args.is_int8) return Lanes::load_first(reinterpret_cast<const float*>(out) + k, width);
  const Lanes q = Lanes::load_first(reinterpret_cast<const int8_t*>(out) + k, width);
  return Lanes::mul(q, Lanes::broadcast(load_int8_scale(out, args.size)));
}

inline void run_combine(const CombineArgs& args) {
  for (int row = 0; row < args.num_rows; ++row) {
    const float* weights = args.weights + static_cast<size_t>(row) * args.top_k;
    const std::byte* const* outputs = args.outputs + static_cast<size_t>(row) * args.top_k;
    float* y = args.y + static_cast<size_t>(row) * args.size;
    for (int k = 0; k < args.size; k += 16) {
      const int width = args.size - k < 16 ? args.size - k : 16;
      Lanes sum = Lanes::load_first(y + k, width);
      for (int i = 0; i < args.top_k; ++i)
        sum = Lanes::fma(Lanes::broadcast(weights[i]), load_output(args, outputs[i], k, width), sum);
      sum.store_first(y + k, width);
    }
  }
}

}  // namespace
}  // namespace switchyard
