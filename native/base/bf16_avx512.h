// Rounding to bfloat16 in AVX-512 registers: to nearest even, NaN quiet (base/quantize_row.h). Included by *_avx512.cc files alone;
// in an anonymous namespace, since code of one instruction set must not be merged with another's.
#pragma once

#include <immintrin.h>

namespace switchyard {
namespace {

inline __m256i round_bf16_lanes(__m512 x) {
  const __m512i bits = _mm512_castps_si512(x);
  const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
  const __m512i rounded = _mm512_add_epi32(bits, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
  const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x400000));
  const __mmask16 is_nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
  return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_mask_mov_epi32(rounded, is_nan, quiet), 16));
}

}  // namespace
}  // namespace switchyard
