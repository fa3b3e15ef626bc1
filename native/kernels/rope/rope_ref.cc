#include <cmath>

#include "kernels/rope/rope.h"

namespace switchyard {

void rope_ref(const RopeArgs& args) {
  const RopePairs pairs = rope_pairs(args.rotary_dim, args.is_interleaved);
  for (int h = 0; h < args.num_heads; ++h) {
    for (int i = 0; i < args.rotary_dim / 2; ++i) {
      const int at = i * pairs.step;
      float* pair = args.x + h * args.head_stride + at;
      const float c = args.turns[at];
      const float s = args.turns[at + pairs.width];
      const float a = pair[0];
      const float b = pair[pairs.width];
      pair[0] = std::fma(a, c, -(b * s));
      pair[pairs.width] = std::fma(a, s, b * c);
    }
  }
}

}  // namespace switchyard
