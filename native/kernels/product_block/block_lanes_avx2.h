// Codes, scales and int32 sums of 16 output rows in pairs of AVX2 registers. NOTE: include only from *_avx2.cc; same members as
// block_lanes_avx512vnni.h.
//
// `vpmaddubsw` adds two products in int16. Codes below 64 times activations of at most 127 leave room for the products of 8 (4 bits), 4 (5
// bits) or 2 quads (6 bits) there. Codes of 8 bits have none: they are taken as numbers, whose magnitude is multiplied by an
// activation with their sign (product_int8/int8_lanes_avx2.h), so that `start` has nothing to make up for.
#pragma once

#include "kernels/lanes/lanes_avx2.h"

namespace switchyard {
namespace {

template <int kNumBits>
struct BlockSums {
  static constexpr int kTileTokens = 4;
  static constexpr int kSumsMax = 4;
  static constexpr int kSumsAlone = 16;

  /// Quads whose products fit into int16.
  static constexpr int kShortQuads = kNumBits == 4 ? 8 : kNumBits == 5 ? 4 : kNumBits == 6 ? 2 : 1;

  struct Codes {
    __m256i half[2];       // rows 0..7 and 8..15
    __m256i magnitude[2];  // of 8 bits
  };

  int32_t start;
  __m256i half[2];    // int32 sums, once the first quads are there
  __m256i shorts[2];  // int16 sums of the last quads

  static BlockSums begin(int32_t start) {
    const __m256i zero = _mm256_setzero_si256();
    return {start, {zero, zero}, {zero, zero}};
  }

  static Codes load_codes(const uint8_t* block, int quad) {
    Codes codes;
    for (int i = 0; i < 2; ++i) {
      if constexpr (kNumBits == 8) {
        codes.half[i] = _mm256_xor_si256(load(block + 64 * quad + 32 * i), _mm256_set1_epi8(-128));
        codes.magnitude[i] = _mm256_abs_epi8(codes.half[i]);
      } else {
        codes.half[i] = unpack(block + 32 * i, quad);
      }
    }
    return codes;
  }

  /// quad: of the sum.
  void add_products(int quad, const Codes& codes, int32_t quad_of_x) {
    const __m256i x = _mm256_set1_epi32(quad_of_x);
    for (int i = 0; i < 2; ++i) {
      const __m256i pairs = kNumBits == 8 ? _mm256_maddubs_epi16(codes.magnitude[i], _mm256_sign_epi8(x, codes.half[i]))
                                          : _mm256_maddubs_epi16(codes.half[i], x);
      shorts[i] = quad % kShortQuads == 0 ? pairs : _mm256_add_epi16(shorts[i], pairs);
      if (quad % kShortQuads != kShortQuads - 1) continue;
      const __m256i sum = _mm256_madd_epi16(shorts[i], _mm256_set1_epi16(1));
      if (quad >= kShortQuads) {
        half[i] = _mm256_add_epi32(half[i], sum);
      } else {
        half[i] = kNumBits == 8 ? sum : _mm256_add_epi32(_mm256_set1_epi32(start), sum);
      }
    }
  }

  Lanes to_float() const { return {_mm256_cvtepi32_ps(half[0]), _mm256_cvtepi32_ps(half[1])}; }

 private:
  static __m256i load(const uint8_t* bytes) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)); }

  static __m256i unpack(const uint8_t* block, int quad) {
    const __m256i both = load(block + 64 * (quad % 4));
    const __m256i low = _mm256_and_si256(quad < 4 ? both : _mm256_srli_epi16(both, 4), _mm256_set1_epi8(0xf));
    if constexpr (kNumBits == 4) return low;
    const int shift = kNumBits == 5 ? 4 - quad : 4 - quad % 4 * 2;
    const __m256i plane = load(block + 256 + (kNumBits == 6 ? quad / 4 * 64 : 0));
    const __m256i moved = shift >= 0 ? _mm256_slli_epi16(plane, shift) : _mm256_srli_epi16(plane, -shift);
    return _mm256_or_si256(low, _mm256_and_si256(moved, _mm256_set1_epi8(kNumBits == 5 ? 0x10 : 0x30)));
  }
};

inline Lanes load_halves(const uint8_t* halves) {
  const auto* from = reinterpret_cast<const __m128i*>(halves);
  return {_mm256_cvtph_ps(_mm_loadu_si128(from)), _mm256_cvtph_ps(_mm_loadu_si128(from + 1))};
}

inline Lanes load_small(const uint8_t* numbers) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers));
  return {_mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(bytes)),
          _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_srli_si128(bytes, 8)))};
}

}  // namespace
}  // namespace switchyard
