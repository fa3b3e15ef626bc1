// The vector form of rope. Include after a lanes_*.h.
#pragma once

#include "kernels/lanes/lane_parts.h"
#include "kernels/rope/rope.h"

namespace switchyard {
namespace {

/// Numbers k .. of all heads, with both numbers of a pair side by side.
template <class Part>
void turn_interleaved(const RopeArgs& args, int k, Part part) {
  const Lanes turns = part.load(args.turns + k);
  for (int h = 0; h < args.num_heads; ++h) {
    float* x = args.x + h * args.head_stride + k;
    part.store(Lanes::turn_pairs(part.load(x), turns), x);
  }
}

/// Numbers k .. of the first halves of all heads, and what they are paired with.
template <class Part>
void turn_halves(const RopeArgs& args, int k, Part part) {
  const int half = args.rotary_dim / 2;
  const Lanes c = part.load(args.turns + k);
  const Lanes s = part.load(args.turns + half + k);
  for (int h = 0; h < args.num_heads; ++h) {
    float* x = args.x + h * args.head_stride + k;
    const Lanes a = part.load(x);
    const Lanes b = part.load(x + half);
    part.store(Lanes::fms(a, c, Lanes::mul(b, s)), x);
    part.store(Lanes::fma(a, s, Lanes::mul(b, c)), x + half);
  }
}

inline void run_rope(const RopeArgs& args) {
  if (args.is_interleaved) {
    for_each_part(args.rotary_dim, [&](int k, auto part) { turn_interleaved(args, k, part); });
  } else {
    for_each_part(args.rotary_dim / 2, [&](int k, auto part) { turn_halves(args, k, part); });
  }
}

}  // namespace
}  // namespace switchyard
