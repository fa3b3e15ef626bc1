#include "kernels/rope/rope_table.h"

#include <algorithm>
#include <cstdlib>
#include <new>

#include "base/math.h"
#include "kernels/registry.h"

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
      turns_(reserve_floats(static_cast<size_t>(max_positions) * shape.rotary_dim)),
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
  const RopePairs pairs = rope_pairs(shape_.rotary_dim, shape_.is_interleaved);
  float* turns = &turns_[static_cast<size_t>(position) * shape_.rotary_dim];
  for (int i = 0; i < shape_.num_pairs(); ++i) {
    const float angle = static_cast<float>(position) * frequency[i];
    turns[i * pairs.step] = static_cast<float>(cos64(angle)) * shape_.attention_factor;
    turns[i * pairs.step + pairs.width] = static_cast<float>(sin64(angle)) * shape_.attention_factor;
  }
}

void RopeTable::rotate(int position, float* x, int num_heads, size_t head_stride) const {
  const int page = position / kPagePositions;
  if (!is_filled_[page].load(std::memory_order_acquire)) fill_page(page);
  kernels().rope({.turns = &turns_[static_cast<size_t>(position) * shape_.rotary_dim],
                  .x = x,
                  .head_stride = head_stride,
                  .num_heads = num_heads,
                  .rotary_dim = shape_.rotary_dim,
                  .is_interleaved = shape_.is_interleaved});
}

}  // namespace switchyard
