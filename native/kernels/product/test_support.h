// For the tests of products: outputs in rows with a gap behind each, which shows a store too many.
#pragma once

#include <algorithm>
#include <cstring>
#include <vector>

namespace switchyard {

inline constexpr float kGapValue = 7.0f;

/// y [rows][row_size + gap], filled with kGapValue before, has the bits of expected [rows][row_size] and gaps that nobody touched.
inline bool has_bits(const std::vector<float>& y, const std::vector<float>& expected, size_t row_size, size_t gap) {
  const size_t stride = row_size + gap;
  for (size_t row = 0; row * stride < y.size(); ++row) {
    const float* own = &y[row * stride];
    if (std::memcmp(own, &expected[row * row_size], row_size * sizeof(float)) != 0) return false;
    if (!std::all_of(own + row_size, own + stride, [](float value) { return value == kGapValue; })) return false;
  }
  return true;
}

}  // namespace switchyard
