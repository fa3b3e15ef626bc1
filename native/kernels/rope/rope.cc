#include "kernels/rope/rope.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <new>

#include "base/math.h"

namespace switchyard {
namespace {

/// Zeros that take no memory until they are touched.
float* reserve_floats(size_t num_floats) {
  auto* data = static_cast<float*>(std::calloc(std::max<size_t>(num_floats, 1), sizeof(float)));
  if (data == nullptr) throw std::bad_alloc();
  return data;
}

}  // namespace

void RopeTable::Free::operator()(float* data) const { std::free(data); }

RopeTable::RopeTable(int max_positions, const RopeShape& shape, const std::vector<float>& divisors)
    : max_positions_(max_positions),
      shape_(shape),
      divisors_(divisors),
      frequency_(rope_frequencies(shape, 0, divisors)),
      num_pairs_(shape.num_pairs()),
      pair_step_(shape.is_interleaved ? 2 : 1),
      pair_width_(shape.is_interleaved ? 1 : shape.num_pairs()),
      cos_sin_(reserve_floats(static_cast<size_t>(max_positions) * shape.rotary_dim)),
      is_filled_(new std::atomic<bool>[(max_positions + kPagePositions - 1) / kPagePositions]()) {}

void RopeTable::fill_page(int page) const {
  const std::lock_guard lock(filling_);
  if (is_filled_[page].load(std::memory_order_relaxed)) return;
  const int end = std::min((page + 1) * kPagePositions, max_positions_);
  for (int position = page * kPagePositions; position < end; ++position) {
    const bool has_own = shape_.scaling == RopeScaling::kDynamic && position >= shape_.original_max_positions;
    fill(position, has_own ? rope_frequencies(shape_, position, divisors_) : frequency_);
  }
  is_filled_[page].store(true, std::memory_order_release);
}

void RopeTable::fill(int position, const std::vector<float>& frequency) const {
  for (int i = 0; i < num_pairs_; ++i) {
    const float angle = static_cast<float>(position) * frequency[i];
    float* entry = &cos_sin_[(static_cast<size_t>(position) * num_pairs_ + i) * 2];
    entry[0] = static_cast<float>(cos64(angle)) * shape_.attention_factor;
    entry[1] = static_cast<float>(sin64(angle)) * shape_.attention_factor;
  }
}

void RopeTable::rotate(int position, float* x, int num_heads, size_t head_stride) const {
  const int page = position / kPagePositions;
  if (!is_filled_[page].load(std::memory_order_acquire)) fill_page(page);
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
