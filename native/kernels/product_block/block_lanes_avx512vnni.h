// Codes, scales and int32 sums of 16 output rows in AVX-512 registers; the twin of block_lanes_avx2.h, for *_avx512vnni.cc only.
#pragma once

#include "kernels/lanes/lanes_avx512.h"
#include "kernels/product_block/plain_tokens.h"

namespace switchyard {
namespace {

/// Both types' sums of one token begin with the block's `start`, which makes up for codes that are too large.
template <int kNumBits>
struct BlockSums {
  static constexpr int kTileTokens = 8;
  static constexpr int kSumsMax = 16;  // of the 32 registers
  static constexpr int kSumsTogether = kSumsMax;
  /// Codes of 8 bits come from memory so slowly that sums need not be in registers, but four groups keep more of it busy than two.
  static constexpr int kSumsAlone = kNumBits == 8 ? 32 : 16;

  /// How far ahead a tile that takes all tokens fetches: what it works on while memory answers.
  static constexpr int blocks_ahead(int) { return kNumBits == 8 ? 1 : 4; }

  template <int>
  using Tokens = PlainTokens;
  using Codes = __m512i;

  __m512i sums;

  static BlockSums begin(int32_t start) { return {_mm512_set1_epi32(start)}; }

  /// Quad `quad` (a constant of the unrolled loop) of a block.
  static Codes load_codes(const uint8_t* block, int quad) {
    if constexpr (kNumBits == 8) return _mm512_loadu_si512(block + 64 * quad);
    const __m512i both = _mm512_loadu_si512(block + 64 * (quad % 4));
    const __m512i low = _mm512_and_si512(quad < 4 ? both : _mm512_srli_epi16(both, 4), _mm512_set1_epi8(0xf));
    if constexpr (kNumBits == 4) return low;
    const int shift = kNumBits == 5 ? 4 - quad : 4 - quad % 4 * 2;
    const __m512i plane = _mm512_loadu_si512(block + 256 + (kNumBits == 6 ? quad / 4 * 64 : 0));
    const __m512i moved = shift >= 0 ? _mm512_slli_epi16(plane, shift) : _mm512_srli_epi16(plane, -shift);
    return _mm512_or_si512(low, _mm512_and_si512(moved, _mm512_set1_epi8(kNumBits == 5 ? 0x10 : 0x30)));
  }

  void add_products(int, Codes codes, int32_t x) { sums = _mm512_dpbusd_epi32(sums, codes, _mm512_set1_epi32(x)); }

  Lanes to_float() const { return {_mm512_cvtepi32_ps(sums)}; }
};

inline Lanes load_halves(const uint8_t* halves) {
  return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(halves)))};
}

inline Lanes load_small(const uint8_t* numbers) {
  const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(numbers));
  return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))};
}

}  // namespace
}  // namespace switchyard
