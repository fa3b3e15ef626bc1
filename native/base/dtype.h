// Element types of weight files and their exact widening to binary32. Called by the weight loader and the product's packing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace switchyard {

enum class Dtype : uint8_t { kBf16, kF16, kF32 };

inline size_t dtype_bytes(Dtype dtype) { return dtype == Dtype::kF32 ? 4 : 2; }

inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

inline float fp16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  if (exponent == 0) {  // zero or denormal: mantissa * 2^-24, exact in binary32
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24f;
    return sign ? -magnitude : magnitude;
  }
  const uint32_t wide = exponent == 31 ? 0xffu : exponent + 112;
  return std::bit_cast<float>(sign | (wide << 23) | (mantissa << 13));
}

/// Element `index` of an array of this type.
inline float widen(const void* data, Dtype dtype, size_t index) {
  switch (dtype) {
    case Dtype::kBf16:
      return bf16_to_float(static_cast<const uint16_t*>(data)[index]);
    case Dtype::kF16:
      return fp16_to_float(static_cast<const uint16_t*>(data)[index]);
    case Dtype::kF32:
      return static_cast<const float*>(data)[index];
  }
  return 0.0f;
}

}  // namespace switchyard
