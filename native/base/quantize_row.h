// Narrow forms of one row of numbers for the wire: INT8 with one fp32 scale a row (symmetric, to nearest even), and bfloat16.
// Called by dispatch and combine, by products of INT8 weights, and by the executor for experts and cache. Every variant has the same bits.
//
// INT8: amax = max |x|, scale = amax / 127, q = rint(x * (127 / amax)); so |q| <= 127, and -128 never occurs. A row whose amax is
// below 2^-100 counts as zero: scale 0, all q 0. A row with a NaN or an infinity is lost as a whole, and shows it: scale is
// NaN, all q 0, so that every number of it is NaN when it is widened again.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

#include "base/isa.h"

namespace switchyard {

inline constexpr float kQuantizeAmaxMin = 0x1p-100f;

struct QuantizeKernels {
  Isa isa;
  /// Writes q [n] and returns the scale.
  float (*from_f32)(const float* x, size_t n, int8_t* q);
  float (*from_bf16)(const uint16_t* x, size_t n, int8_t* q);
  /// fp32 to bfloat16, to nearest even; a NaN stays one and becomes quiet.
  void (*round_bf16)(const float* x, size_t n, uint16_t* out);
};

/// The fastest that this machine runs.
const QuantizeKernels& quantize_kernels();
/// For tests. The instruction set must be available.
const QuantizeKernels& quantize_kernels_of(Isa isa);

/// A quantised row in memory: n int8, zeros up to a multiple of 4, there the scale.
constexpr size_t int8_scale_offset(size_t n) { return (n + 3) / 4 * 4; }
constexpr size_t int8_row_bytes(size_t n) { return int8_scale_offset(n) + sizeof(float); }
/// From one row to the next as they travel: a multiple of 16.
constexpr size_t int8_wire_bytes(size_t n) { return (int8_row_bytes(n) + 15) / 16 * 16; }

inline float int8_row_scale(const std::byte* row, size_t n) {
  float scale;
  std::memcpy(&scale, row + int8_scale_offset(n), sizeof(scale));
  return scale;
}

/// x [n] as such a row of int8_row_bytes.
inline void store_int8_row(const QuantizeKernels& kernels, const float* x, size_t n, std::byte* row) {
  auto* q = reinterpret_cast<int8_t*>(row);
  const float scale = kernels.from_f32(x, n, q);
  std::memset(q + n, 0, int8_scale_offset(n) - n);
  std::memcpy(row + int8_scale_offset(n), &scale, sizeof(scale));
}

/// The numbers of such a row, each with one rounding.
inline void widen_int8_row(const std::byte* row, size_t n, float* x) {
  const auto* q = reinterpret_cast<const int8_t*>(row);
  const float scale = int8_row_scale(row, n);
  for (size_t i = 0; i < n; ++i) x[i] = static_cast<float>(q[i]) * scale;
}

inline uint16_t float_to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace switchyard
