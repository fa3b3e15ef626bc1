// What rotary embedding turns by (docs/numerics.md, operation 4): cosine and sine of position * frequency (radians), of each pair.
// Called by the executor's attention blocks.
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
  std::vector<float> frequency_;                    // [num_pairs], where positions have none of their own
  std::unique_ptr<float[], Free> turns_;            // [max_positions][rotary_dim], as RopeArgs has them
  std::unique_ptr<std::atomic<bool>[]> is_filled_;  // [pages]
  mutable std::mutex filling_;                      // of whoever writes turns_
};

}  // namespace switchyard
