// The vector form of silu_mul. Include after a lanes_*.h.
#pragma once

#include "kernels/activation/silu_mul.h"
#include "kernels/lanes/exp_lanes.h"

namespace switchyard {
namespace {

inline void run_silu_mul(const SiluMulArgs& args) {
  for (int t = 0; t < args.num_tokens; ++t) {
    const float* gate = args.gate_up + static_cast<size_t>(t) * 2 * args.size;
    const float* up = gate + args.size;
    float* y = args.y + static_cast<size_t>(t) * args.size;
    int k = 0;
    for (; k + 16 <= args.size; k += 16)
      Lanes::mul(silu32_lanes(Lanes::load(gate + k)), Lanes::load(up + k)).store(y + k);
    const int rest = args.size - k;
    if (rest > 0)
      Lanes::mul(silu32_lanes(Lanes::load_first(gate + k, rest)), Lanes::load_first(up + k, rest))
          .store_first(y + k, rest);
  }
}

}  // namespace
}  // namespace switchyard
