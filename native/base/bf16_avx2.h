// Rounding to bfloat16 in AVX2 registers: to nearest even, NaN quiet (base/quantize_row.h). Included by *_avx2.cc files alone;
// in an anonymous namespace, since code of one instruction set must not be merged with another's.
#pragma once

#include <immintrin.h>

namespace switchyard {
namespace {

/// The rounded numbers in the lower halves of their lanes, above them zeros.
inline __m256i round_bf16_wide(__m256 x) {
  const __m256i bits = _mm256_castps_si256(x);
  const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
  const __m256i rounded = _mm256_add_epi32(bits, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
  const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x400000));
  const __m256i is_nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
  return _mm256_srli_epi32(_mm256_blendv_epi8(rounded, quiet, is_nan), 16);
}

inline __m128i round_bf16_lanes(__m256 x) {
  const __m256i wide = round_bf16_wide(x);
  return _mm_packus_epi32(_mm256_castsi256_si128(wide), _mm256_extracti128_si256(wide, 1));
}

/// The numbers of `first`, then those of `second`.
inline __m256i round_bf16_lanes(__m256 first, __m256 second) {
  // Packing works within 128-bit halves: the permutation puts the groups of four in order again.
  return _mm256_permute4x64_epi64(_mm256_packus_epi32(round_bf16_wide(first), round_bf16_wide(second)), 0xd8);
}

}  // namespace
}  // namespace switchyard
