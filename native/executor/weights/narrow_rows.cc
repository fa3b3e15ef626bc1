#include "executor/weights/narrow_rows.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <string>

#include "base/quantize_row.h"

namespace switchyard::executor {
namespace {

constexpr float kLargest = 127;

/// Rows widened to binary32: [count][columns].
std::vector<float> widen_rows(const StoredTensor& matrix, int64_t first, int64_t count) {
  std::vector<float> values;
  const void* rows = matrix.rows(first, count, &values);
  if (is_plain(matrix.type)) {
    values.resize(count * matrix.row_elements());
    widen_stored(matrix.type, static_cast<const std::byte*>(rows), values.size(), values.data());
  }
  return values;
}

/// Bits of the largest magnitude, which order as the magnitudes do, infinity and NaN above all.
uint32_t amax_bits_of(const float* row, size_t n) {
  int32_t most = 0;
  for (size_t i = 0; i < n; ++i) most = std::max(most, std::bit_cast<int32_t>(row[i]) & 0x7fffffff);
  return static_cast<uint32_t>(most);
}

float scale_of(float amax, ScaleType type) {
  const float scale = amax / kLargest;
  return type == ScaleType::kBf16 ? std::bit_cast<float>(static_cast<uint32_t>(float_to_bf16(scale)) << 16) : scale;
}

/// Quotients are below 128 in magnitude: adding 1.5 * 2^23 leaves no bit for a fraction and rounds to even, as rint does, which the
/// baseline instruction set has no instruction for.
void quantize_row(const float* __restrict row, size_t n, float scale, int8_t* __restrict values) {
  constexpr float kNoFraction = 0x1.8p23f;
  for (size_t i = 0; i < n; ++i) {
    const float rounded = row[i] / scale + kNoFraction - kNoFraction;
    values[i] = static_cast<int8_t>(static_cast<int32_t>(std::clamp(rounded, -kLargest, kLargest)));
  }
}

}  // namespace

Status quantize_rows(const StoredTensor& matrix, int64_t first, int64_t count, ScaleType scale_type, int8_t* values,
                     float* scales) {
  const std::vector<float> rows = widen_rows(matrix, first, count);
  const size_t columns = matrix.row_elements();
  for (int64_t i = 0; i < count; ++i) {
    const float* row = rows.data() + i * columns;
    const auto amax = std::bit_cast<float>(amax_bits_of(row, columns));
    if (!(amax <= std::numeric_limits<float>::max()))
      return {Code::kInvalidArgument, "has a NaN or an infinity in row " + std::to_string(first + i)};
    const bool is_zero = amax < kQuantizeAmaxMin;
    scales[i] = is_zero ? 0 : scale_of(amax, scale_type);
    if (is_zero) {
      std::fill_n(values + i * columns, columns, int8_t{0});
    } else {
      quantize_row(row, columns, scales[i], values + i * columns);
    }
  }
  return {};
}

void round_rows(const StoredTensor& matrix, int64_t first, int64_t count, uint16_t* out) {
  const std::vector<float> rows = widen_rows(matrix, first, count);
  quantize_kernels().round_bf16(rows.data(), rows.size(), out);
}

}  // namespace switchyard::executor
