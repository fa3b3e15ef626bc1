// Rotary embedding (docs/numerics.md, operation 4): a' = a cos - b sin, b' = a sin + b cos of each pair (a, b) of a head, by the angle
// position * frequency (radians). Called by the executor's attention blocks. Source: arXiv 2104.09864, section 3.2.2.
#pragma once

#include <cstddef>
#include <vector>

#include "kernels/rope/rope_frequencies.h"

namespace switchyard {

/// cos and sin of every (position, pair); made once a model.
class RopeTable {
 public:
  /// Positions 0 .. max_positions - 1. divisors: [rotary_dim / 2] of RopeScaling::kTensor, empty for others.
  RopeTable(int max_positions, const RopeShape& shape, const std::vector<float>& divisors = {});

  /// Rotates x [num_heads][rotary_dim] in place, heads head_stride floats apart.
  void rotate(int position, float* x, int num_heads, size_t head_stride) const;

 private:
  void fill(int position, const std::vector<float>& frequency, float attention_factor);

  int num_pairs_;
  int pair_step_;               // floats from one pair's first element to the next one's
  int pair_width_;              // floats from a pair's first element to its second
  std::vector<float> cos_sin_;  // [max_positions][num_pairs][2]
};

}  // namespace switchyard
