// Rotary embedding (docs/numerics.md, operation 4): a' = a cos - b sin, b' = a sin + b cos of each pair (a, b) of a head. Called by
// RopeTable, which knows the angles. Source: arXiv 2104.09864, section 3.2.2.
#pragma once

#include <cstddef>

namespace switchyard {

struct RopeArgs {
  /// [rotary_dim]: a pair's cosine where its first number stands in a head, the sine where its second does.
  const float* turns;
  float* x;  // [num_heads][rotary_dim], heads head_stride floats apart; turned in place
  size_t head_stride;
  int num_heads;
  int rotary_dim;       // even
  bool is_interleaved;  // pairs are (2i, 2i + 1), otherwise (i, i + rotary_dim / 2)
};

void rope_ref(const RopeArgs& args);
void rope_avx2(const RopeArgs& args);
void rope_avx512(const RopeArgs& args);

/// Where the pairs of a head stand.
struct RopePairs {
  int step;   // floats from one pair's first number to the next one's
  int width;  // floats from a pair's first number to its second
};

inline RopePairs rope_pairs(int rotary_dim, bool is_interleaved) {
  return is_interleaved ? RopePairs{2, 1} : RopePairs{1, rotary_dim / 2};
}

}  // namespace switchyard
