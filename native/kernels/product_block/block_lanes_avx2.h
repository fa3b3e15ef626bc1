// Codes, scales and int32 sums of 16 output rows in pairs of AVX2 registers. NOTE: include only from *_avx2.cc; same members as
// block_lanes_vnni.h.
//
// `vpmaddubsw` adds two products in int16. Codes below 64 times activations of at most 127 leave room for the products of 8 (4 bits), 4 (5
// bits) or 2 quads (6 bits) there. Codes of 8 bits have none: they are taken as numbers (lanes/signed_columns_avx2.h).
#pragma once

#include <algorithm>

#include "kernels/lanes/lanes_avx2.h"
#include "kernels/lanes/signed_columns_avx2.h"
#include "kernels/product_block/plain_tokens.h"

namespace switchyard {
namespace {

/// Of codes of 4, 5 or 6 bits.
template <int kNumBits>
struct BlockSums {
  static constexpr int kTileTokens = 4;
  static constexpr int kSumsMax = 4;
  static constexpr int kSumsAlone = 16;
  static constexpr int kSumsTogether = 4;

  /// How far ahead a tile that takes all tokens fetches: what it works on while memory answers.
  static constexpr int blocks_ahead(int num_tokens) { return std::max(4 / num_tokens, 1); }

  /// Quads whose products fit into int16.
  static constexpr int kShortQuads = kNumBits == 4 ? 8 : kNumBits == 5 ? 4 : 2;

  template <int>
  using Tokens = PlainTokens;

  struct Codes {
    __m256i half[2];  // rows 0..7 and 8..15
  };

  int32_t start;
  __m256i half[2];    // int32 sums, once the first quads are there
  __m256i shorts[2];  // int16 sums of the last quads

  static BlockSums begin(int32_t start) {
    const __m256i zero = _mm256_setzero_si256();
    return {start, {zero, zero}, {zero, zero}};
  }

  static Codes load_codes(const uint8_t* block, int quad) { return {{unpack(block, quad), unpack(block + 32, quad)}}; }

  /// quad: of the sum.
  void add_products(int quad, const Codes& codes, int32_t quad_of_x) {
    const __m256i x = _mm256_set1_epi32(quad_of_x);
    for (int i = 0; i < 2; ++i) {
      const __m256i pairs = _mm256_maddubs_epi16(codes.half[i], x);
      shorts[i] = quad % kShortQuads == 0 ? pairs : _mm256_add_epi16(shorts[i], pairs);
      if (quad % kShortQuads != kShortQuads - 1) continue;
      const __m256i sum = _mm256_madd_epi16(shorts[i], _mm256_set1_epi16(1));
      half[i] = _mm256_add_epi32(quad >= kShortQuads ? half[i] : _mm256_set1_epi32(start), sum);
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

/// A block of a token for codes of 8 bits.
struct SignedBlock {
  SignedColumns columns;
  __m256i missing;
  float scale;

  static SignedBlock prepare(const ActivationBlock& x) {
    SignedBlock block;
    __m256i parts = _mm256_setzero_si256();
    block.columns = SignedColumns::prepare(x.q, &parts);
    block.missing = SignedColumns::sum_parts(parts);
    block.scale = x.scale;
    return block;
  }
};

inline __m256i start_of(const SignedBlock& x, int) { return x.missing; }
inline SignedColumnQuad quad_of(const SignedBlock& x, int quad) { return x.columns.quad(quad); }

/// Of codes of 8 bits.
template <>
struct BlockSums<8> {
  static constexpr int kTileTokens = 4;
  static constexpr int kSumsMax = 16;  // all groups of a band: tokens are prepared once for them
  static constexpr int kSumsAlone = 16;
  static constexpr int kSumsTogether = 4;

  /// As those of fewer bits have it; one takes longer.
  static constexpr int blocks_ahead(int) { return 1; }

  template <int NumTokens>
  struct Tokens {
    SignedBlock blocks[NumTokens];

    const SignedBlock* take(const ActivationBlock* x) {
      for (int t = 0; t < NumTokens; ++t) blocks[t] = SignedBlock::prepare(x[t]);
      return blocks;
    }
  };

  using Codes = StoredQuad;

  __m256i half[2];

  static BlockSums begin(__m256i start) { return {{start, start}}; }
  static Codes load_codes(const uint8_t* block, int quad) { return StoredQuad::load(block + 64 * quad); }
  void add_products(int, const Codes& codes, const SignedColumnQuad& x) { x.add_products(codes, half); }
  Lanes to_float() const { return {_mm256_cvtepi32_ps(half[0]), _mm256_cvtepi32_ps(half[1])}; }
};

}  // namespace
}  // namespace switchyard
