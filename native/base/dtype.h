// Element types of weight files and their exact widening to binary32. Called by the weight loader and the product's packing.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>

namespace switchyard {

enum class Dtype : uint8_t { kBf16, kF16, kF32 };

inline size_t dtype_bytes(Dtype dtype) { return dtype == Dtype::kF32 ? 4 : 2; }

inline float bf16_to_float(uint16_t bits) { return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16); }

/// All ones or nothing.
inline uint32_t bit_mask(bool condition) { return -static_cast<uint32_t>(condition); }

/// Without a branch, so that loops over it become vectors. A denormal, mantissa * 2^-24, is taken for 2^-14 * (1 + mantissa / 1024),
/// of which 2^-14 is subtracted; exact.
inline float fp16_to_float(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000u) << 16;
  const uint32_t exponent = (bits >> 10) & 0x1fu;
  const uint32_t mantissa = bits & 0x3ffu;
  const uint32_t denormal = bit_mask(exponent == 0);
  const uint32_t special = bit_mask(exponent == 31) & 0x7f800000u;  // infinity, NaN
  const float normal = std::bit_cast<float>((exponent + 112 + (denormal & 1)) << 23 | mantissa << 13);
  const float excess = std::bit_cast<float>(denormal & std::bit_cast<uint32_t>(0x1p-14f));
  return std::bit_cast<float>(std::bit_cast<uint32_t>(normal - excess) | special | sign);
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
