// Interleaved rotary embedding (docs/numerics.md, operation 4). Called by the executor's attention block.
#pragma once

#include <cstddef>
#include <vector>

namespace switchyard {

/// cos and sin of every (position, pair); made once a model.
class RopeTable {
 public:
  /// head_dim even; positions 0 .. max_positions - 1.
  RopeTable(int max_positions, int head_dim, double theta);

  /// Rotates x [num_heads][head_dim] in place, heads head_stride floats apart.
  void rotate(int position, float* x, int num_heads, size_t head_stride) const;

 private:
  int num_pairs_;
  std::vector<float> cos_sin_;  // [max_positions][num_pairs][2]
};

}  // namespace switchyard
