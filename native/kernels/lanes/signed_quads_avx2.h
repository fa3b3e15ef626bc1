// Products of signed bytes of 16 rows, prepared once for many tokens, with those of a token. NOTE: include only from *_avx2.cc.
//
// `vpmaddubsw` multiplies unsigned by signed bytes, so a weight's magnitude is multiplied by the activation with the weight's sign. That
// sign is given by an exclusive or: -x - 1 in place of -x, one instruction that needs no multiplier's port as `vpsignb` does. Each negative
// weight thus adds its magnitude too little, whatever x is: sums begin with what is missing. Two products are -2 * 128 * 128 at least and
// 2 * 127 * 127 at most, which int16 just holds.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace switchyard {
namespace {

/// Four columns of 16 rows, rows 0..7 and 8..15.
struct SignedQuad {
  __m256i magnitude[2];
  __m256i negative[2];  // -1 where a weight is, else 0

  /// bytes: [16 rows][4], each 128 too large. missing: of the quads before, and then of this one too.
  static SignedQuad prepare(const uint8_t* bytes, __m256i (&missing)[2]) {
    SignedQuad quad;
    for (int i = 0; i < 2; ++i) {
      const __m256i stored = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32 * i));
      const __m256i value = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
      quad.magnitude[i] = _mm256_abs_epi8(value);
      quad.negative[i] = _mm256_cmpgt_epi8(_mm256_setzero_si256(), value);
      const __m256i negatives = _mm256_and_si256(quad.magnitude[i], quad.negative[i]);
      missing[i] = _mm256_add_epi32(missing[i], add_fours(_mm256_maddubs_epi16(negatives, _mm256_set1_epi8(1))));
    }
    return quad;
  }

  /// Int32 sums of the products with four bytes of a token are added to `sums`.
  void add_products(int32_t quad_of_x, __m256i (&sums)[2]) const {
    const __m256i x = _mm256_set1_epi32(quad_of_x);
    for (int i = 0; i < 2; ++i) {
      const __m256i pairs = _mm256_maddubs_epi16(magnitude[i], _mm256_xor_si256(x, negative[i]));
      sums[i] = _mm256_add_epi32(sums[i], add_fours(pairs));
      // Else gcc puts off additions of unrolled loops, and runs out of registers for what waits for them.
      asm("" : "+x"(sums[i]));
    }
  }

 private:
  static __m256i add_fours(__m256i pairs) { return _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)); }
};

}  // namespace
}  // namespace switchyard
