// Rounding to bfloat16 in AVX-512 registers: to nearest even, NaN quiet (base/quantize_row.h). Included by *_avx512.cc files alone;
// in an anonymous namespace, since code of one instruction set must not be merged with another's.
#pragma once

#include <immintrin.h>

namespace switchyard {
namespace {

/// The rounded numbers in the lower halves of their lanes, above them zeros.
inline __m512i round_bf16_wide(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __mmask16 is_odd = _mm512_test_epi32_mask(bits, _mm512_set1_epi32(0x10000));
  const __m512i down = _mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff));
  const __m512i rounded = _mm512_mask_add_epi32(down, is_odd, bits, _mm512_set1_epi32(0x8000));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_srli_epi32(_mm512_mask_or_epi32(rounded, is_nan, bits, _mm512_set1_epi32(0x400000)), 16);
}

inline __m256i round_bf16_lanes(__m512 x) { return _mm512_cvtepi32_epi16(round_bf16_wide(x)); }

/// The numbers of `first`, then those of `second`: packing two registers takes less than narrowing each.
inline __m512i round_bf16_lanes(__m512 first, __m512 second) {
  const __m512i packed = _mm512_packus_epi32(round_bf16_wide(first), round_bf16_wide(second));
  // Packing works within 128-bit quarters: the permutation puts the groups of four in order again.
  return _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), packed);
}

}  // namespace
}  // namespace switchyard
