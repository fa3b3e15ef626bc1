// Narrow forms of one row of numbers for the wire: INT8 with one fp32 scale a row (symmetric, to nearest even), and bfloat16.
// Called by dispatch and combine, and by whoever makes rows ready for them. Every variant has the same bits.
//
// INT8: amax = max |x|, scale = amax / 127, q = rint(x * (127 / amax)); so |q| <= 127, and -128 never occurs. A row whose amax is
// below 2^-100 counts as zero: scale 0, all q 0. A row with a NaN or an infinity is lost as a whole, and shows it: scale is
// NaN, all q 0, so that every number of it is NaN when it is widened again.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

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

inline uint16_t float_to_bf16(float x) {
  const auto bits = std::bit_cast<uint32_t>(x);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>(bits >> 16 | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace switchyard
