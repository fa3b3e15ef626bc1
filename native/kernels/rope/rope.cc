#include "kernels/rope/rope.h"

#include <cmath>

#include "base/math.h"

namespace switchyard {

RopeTable::RopeTable(int max_positions, const RopeShape& shape, const std::vector<float>& divisors)
    : num_pairs_(shape.num_pairs()),
      pair_step_(shape.is_interleaved ? 2 : 1),
      pair_width_(shape.is_interleaved ? 1 : shape.num_pairs()),
      cos_sin_(static_cast<size_t>(max_positions) * shape.rotary_dim) {
  std::vector<float> frequency = rope_frequencies(shape, 0, divisors);
  for (int position = 0; position < max_positions; ++position) {
    if (shape.scaling == RopeScaling::kDynamic && position >= shape.original_max_positions)
      frequency = rope_frequencies(shape, position, divisors);
    fill(position, frequency, shape.attention_factor);
  }
}

void RopeTable::fill(int position, const std::vector<float>& frequency, float attention_factor) {
  for (int i = 0; i < num_pairs_; ++i) {
    const float angle = static_cast<float>(position) * frequency[i];
    float* entry = &cos_sin_[(static_cast<size_t>(position) * num_pairs_ + i) * 2];
    entry[0] = static_cast<float>(cos64(angle)) * attention_factor;
    entry[1] = static_cast<float>(sin64(angle)) * attention_factor;
  }
}

void RopeTable::rotate(int position, float* x, int num_heads, size_t head_stride) const {
  const float* entry = &cos_sin_[static_cast<size_t>(position) * num_pairs_ * 2];
  for (int h = 0; h < num_heads; ++h) {
    float* pair = x + h * head_stride;
    for (int i = 0; i < num_pairs_; ++i, pair += pair_step_) {
      const float c = entry[2 * i];
      const float s = entry[2 * i + 1];
      const float a = pair[0];
      const float b = pair[pair_width_];
      pair[0] = std::fma(a, c, -(b * s));
      pair[pair_width_] = std::fma(a, s, b * c);
    }
  }
}

}  // namespace switchyard
