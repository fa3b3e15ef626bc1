// Rounding to bfloat16 in AVX2 registers: to nearest even, NaN quiet (base/quantize_row.h). Included by *_avx2.cc files alone;
// in an anonymous namespace, since code of one instruction set must not be merged with another's.
#pragma once

#include <immintrin.h>

namespace switchyard {
namespace {

inline __m128i round_bf16_lanes(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  const __m256i high = _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
  return _mm_packus_epi32(_mm256_castsi256_si128(high), _mm256_extracti128_si256(high, 1));
}

}  // namespace
}  // namespace switchyard
