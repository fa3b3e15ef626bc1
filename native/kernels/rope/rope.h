// Rotary embedding (docs/numerics.md, operation 4): a' = a cos - b sin, b' = a sin + b cos of each pair (a, b) of a head, by the angle
// position * frequency (radians). Called by the executor's attention blocks. Source: arXiv 2104.09864, section 3.2.2.
#pragma once

#include <atomic>
#include <cstddef>
#include <memory>
#include <mutex>
#include <vector>

#include "kernels/rope/rope_frequencies.h"

namespace switchyard {

/// cos and sin of every (position, pair); one a model, for any thread. A page of positions is filled when the first of them comes: all of
/// a long context would take a good part of the model's start, and most of it is never reached.
class RopeTable {
 public:
  /// Positions 0 .. max_positions - 1. divisors: [rotary_dim / 2] of RopeScaling::kTensor, empty for others.
  RopeTable(int max_positions, const RopeShape& shape, const std::vector<float>& divisors = {});

  /// Rotates x [num_heads][rotary_dim] in place, heads head_stride floats apart.
  void rotate(int position, float* x, int num_heads, size_t head_stride) const;

 private:
  static constexpr int kPagePositions = 16;

  struct Free {
    void operator()(float* data) const;
  };

  void fill_page(int page) const;
  void fill(int position, const std::vector<float>& frequency) const;

  int max_positions_;
  RopeShape shape_;
  std::vector<float> divisors_;
  std::vector<float> frequency_;  // [num_pairs], where positions have none of their own
  int num_pairs_;
  int pair_step_;                                   // floats from one pair's first element to the next one's
  int pair_width_;                                  // floats from a pair's first element to its second
  std::unique_ptr<float[], Free> cos_sin_;          // [max_positions][num_pairs][2]
  std::unique_ptr<std::atomic<bool>[]> is_filled_;  // [pages]
  mutable std::mutex filling_;                      // of whoever writes cos_sin_
};

}  // namespace switchyard
