#include "kernels/rope/rope.h"

#include <cmath>

#include "base/math.h"

namespace switchyard {

RopeTable::RopeTable(int max_positions, int head_dim, double theta)
    : num_pairs_(head_dim / 2), cos_sin_(static_cast<size_t>(max_positions) * head_dim) {
  std::vector<float> frequency(num_pairs_);
  for (int i = 0; i < num_pairs_; ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(head_dim);
    frequency[i] = 1.0f / static_cast<float>(pow64(theta, exponent));
  }
  for (int position = 0; position < max_positions; ++position) {
    for (int i = 0; i < num_pairs_; ++i) {
      const float angle = static_cast<float>(position) * frequency[i];
      float* entry = &cos_sin_[(static_cast<size_t>(position) * num_pairs_ + i) * 2];
      entry[0] = static_cast<float>(cos64(angle));
      entry[1] = static_cast<float>(sin64(angle));
    }
  }
}

void RopeTable::rotate(int position, float* x, int num_heads, size_t head_stride) const {
  const float* entry = &cos_sin_[static_cast<size_t>(position) * num_pairs_ * 2];
  for (int h = 0; h < num_heads; ++h) {
    float* pair = x + h * head_stride;
    for (int i = 0; i < num_pairs_; ++i, pair += 2) {
      const float c = entry[2 * i];
      const float s = entry[2 * i + 1];
      const float a = pair[0];
      const float b = pair[1];
      pair[0] = std::fma(a, c, -(b * s));
      pair[1] = std::fma(a, s, b * c);
    }
  }
}

}  // namespace switchyard
