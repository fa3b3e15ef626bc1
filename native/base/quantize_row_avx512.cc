#include <immintrin.h>

#include "base/bf16_avx512.h"
#include "base/quantize_row_lanes.h"

namespace switchyard {
namespace {

struct Lanes {
  using Bits = __m512i;

  static __m512 broadcast(float x) { return _mm512_set1_ps(x); }

  static Bits max_magnitude(Bits most, const float* x) {
    return _mm512_max_epu32(most, _mm512_and_si512(_mm512_loadu_si512(x), _mm512_set1_epi32(0x7fffffff)));
  }
  static Bits max_magnitude(Bits most, const uint16_t* x) {
    return _mm512_max_epu16(most, _mm512_and_si512(_mm512_loadu_si512(x), _mm512_set1_epi16(0x7fff)));
  }

  static Bits quantize(__m512 x, __m512 inverse) { return _mm512_cvtps_epi32(_mm512_mul_ps(x, inverse)); }

  /// 32 numbers as 16 bits each, as they come: in the order that packing leaves them in.
  static Bits quantize_words(const float* x, __m512 inverse) {
    return _mm512_packs_epi32(quantize(_mm512_loadu_ps(x), inverse), quantize(_mm512_loadu_ps(x + 16), inverse));
  }
  /// The even numbers are those in the lower halves of the lanes: split and joined again they stay in order.
  static Bits quantize_words(const uint16_t* x, __m512 inverse) {
    const __m512i pairs = _mm512_loadu_si512(x);
    const __m512 even = _mm512_castsi512_ps(_mm512_slli_epi32(pairs, 16));
    const __m512 odd = _mm512_castsi512_ps(_mm512_and_si512(pairs, _mm512_set1_epi32(static_cast<int>(0xffff0000))));
    const __m512i upper = _mm512_slli_epi32(quantize(odd, inverse), 16);
    return _mm512_mask_blend_epi16(0xaaaaaaaa, quantize(even, inverse), upper);
  }

  /// 64 numbers. Packing works within 128-bit quarters: the permutation puts the groups in order again.
  template <class Element>
  static void quantize_block(const Element* x, __m512 inverse, int8_t* q) {
    const __m512i bytes = _mm512_packs_epi16(quantize_words(x, inverse), quantize_words(x + 32, inverse));
    const __m512i groups_of_4 = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i groups_of_8 = _mm512_setr_epi32(0, 1, 4, 5, 8, 9, 12, 13, 2, 3, 6, 7, 10, 11, 14, 15);
    const __m512i order = sizeof(Element) == sizeof(float) ? groups_of_4 : groups_of_8;
    _mm512_storeu_si512(q, _mm512_permutexvar_epi32(order, bytes));
  }

  static void round_16(const float* x, uint16_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), round_bf16_lanes(_mm512_loadu_ps(x)));
  }
};

}  // namespace

float quantize_f32_avx512(const float* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

float quantize_bf16_avx512(const uint16_t* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

void round_bf16_avx512(const float* x, size_t n, uint16_t* out) { run_round_bf16<Lanes>(x, n, out); }

}  // namespace switchyard
