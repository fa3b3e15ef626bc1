// Columns of a token, prepared once for many rows, and their products with signed bytes of 16 rows. NOTE: include only from *_avx2.cc.
//
// `vpmaddubsw` multiplies unsigned by signed bytes, so an activation's magnitude is multiplied by the weight with the activation's sign.
// A stored weight is 128 too large, and one exclusive or makes of it the byte that is multiplied: with 0x80 the weight w itself, with 0x7f
// -w - 1, which unlike -w is a byte where w is -128. Each negative activation thus adds its magnitude too little, whatever the weights are;
// those magnitudes are what sums lack in the end. Two products are 2 * 127 * -128 at least, which int16 holds.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace switchyard {
namespace {

/// Four columns of 16 rows as they are stored, rows 0..7 and 8..15.
struct StoredQuad {
  __m256i half[2];

  /// bytes: [16 rows][4], each 128 too large.
  static StoredQuad load(const uint8_t* bytes) {
    const auto* from = reinterpret_cast<const __m256i*>(bytes);
    return {{_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)}};
  }
};

/// Four columns of a token.
struct SignedColumnQuad {
  __m256i magnitude;
  __m256i flip;

  /// Int32 sums of the products are added to `sums`.
  void add_products(const StoredQuad& weights, __m256i (&sums)[2]) const {
    for (int i = 0; i < 2; ++i) {
      const __m256i pairs = _mm256_maddubs_epi16(magnitude, _mm256_xor_si256(weights.half[i], flip));
      sums[i] = _mm256_add_epi32(sums[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
      // Else gcc puts off additions of unrolled loops, and runs out of registers for what waits for them.
      asm("" : "+x"(sums[i]));
    }
  }
};

class SignedColumns {
 public:
  static constexpr int kCount = 32;

  /// x: kCount activations, -127..127. missing: of the columns before, and then of these too; in parts.
  static SignedColumns prepare(const int8_t* x, __m256i* missing) {
    const __m256i zero = _mm256_setzero_si256();
    const __m256i value = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(x));
    const __m256i magnitude = _mm256_abs_epi8(value);
    const __m256i negative = _mm256_cmpgt_epi8(zero, value);
    *missing = _mm256_add_epi32(*missing, _mm256_sad_epu8(_mm256_and_si256(magnitude, negative), zero));
    SignedColumns columns;
    _mm256_store_si256(reinterpret_cast<__m256i*>(columns.magnitudes_), magnitude);
    _mm256_store_si256(reinterpret_cast<__m256i*>(columns.flips_), _mm256_xor_si256(negative, _mm256_set1_epi8(-128)));
    return columns;
  }

  /// The whole of what is missing, in each lane.
  static __m256i sum_parts(__m256i missing) {
    const __m128i two = _mm_add_epi32(_mm256_castsi256_si128(missing), _mm256_extracti128_si256(missing, 1));
    return _mm256_broadcastd_epi32(_mm_add_epi32(two, _mm_unpackhi_epi64(two, two)));
  }

  SignedColumnQuad quad(int idx) const { return {broadcast(magnitudes_ + 4 * idx), broadcast(flips_ + 4 * idx)}; }

 private:
  static __m256i broadcast(const uint8_t* four) {
    int32_t quad;
    std::memcpy(&quad, four, sizeof(quad));
    return _mm256_set1_epi32(quad);
  }

  // In memory, from where a broadcast is but a load.
  alignas(32) uint8_t magnitudes_[kCount];
  alignas(32) uint8_t flips_[kCount];
};

}  // namespace
}  // namespace switchyard
