// The variants behind the table in quantize_row.cc, and what they share: how a row's scale follows from its largest magnitude.
#pragma once

#include <limits>

#include "base/quantize_row.h"

namespace switchyard {

float quantize_f32_ref(const float* x, size_t n, int8_t* q);
float quantize_bf16_ref(const uint16_t* x, size_t n, int8_t* q);
void round_bf16_ref(const float* x, size_t n, uint16_t* out);
float quantize_f32_avx2(const float* x, size_t n, int8_t* q);
float quantize_bf16_avx2(const uint16_t* x, size_t n, int8_t* q);
void round_bf16_avx2(const float* x, size_t n, uint16_t* out);
float quantize_f32_avx512(const float* x, size_t n, int8_t* q);
float quantize_bf16_avx512(const uint16_t* x, size_t n, int8_t* q);
void round_bf16_avx512(const float* x, size_t n, uint16_t* out);

namespace {

inline constexpr uint32_t kMagnitudeBits = 0x7fffffffu;

struct RowScale {
  float scale;
  float inverse;  // 0 where all q are 0
};

/// `amax_bits`: the largest of the numbers' bits without their signs, which order as the magnitudes do, NaN above all.
inline RowScale row_scale(uint32_t amax_bits) {
  if (amax_bits >= 0x7f800000u) return {std::numeric_limits<float>::quiet_NaN(), 0};
  const float amax = std::bit_cast<float>(amax_bits);
  if (amax < kQuantizeAmaxMin) return {0, 0};
  return {amax / 127, 127 / amax};
}

}  // namespace
}  // namespace switchyard
