#include <immintrin.h>

#include "base/bf16_avx2.h"
#include "base/quantize_row_lanes.h"

namespace switchyard {
namespace {

struct Lanes {
  using Bits = __m256i;

  static Bits load(const void* p) { return _mm256_loadu_si256(static_cast<const __m256i*>(p)); }
  static __m256 broadcast(float x) { return _mm256_set1_ps(x); }

  static Bits max_magnitude(Bits most, const float* x) {
    return _mm256_max_epu32(most, _mm256_and_si256(load(x), _mm256_set1_epi32(0x7fffffff)));
  }
  static Bits max_magnitude(Bits most, const uint16_t* x) {
    return _mm256_max_epu16(most, _mm256_and_si256(load(x), _mm256_set1_epi16(0x7fff)));
  }

  static Bits quantize(__m256 x, __m256 inverse) { return _mm256_cvtps_epi32(_mm256_mul_ps(x, inverse)); }

  /// 16 numbers as 16 bits each, as they come: in the order that packing leaves them in.
  static Bits quantize_words(const float* x, __m256 inverse) {
    return _mm256_packs_epi32(quantize(_mm256_loadu_ps(x), inverse), quantize(_mm256_loadu_ps(x + 8), inverse));
  }
  /// The even numbers are those in the lower halves of the lanes: split and joined again they stay in order.
  static Bits quantize_words(const uint16_t* x, __m256 inverse) {
    const __m256i pairs = load(x);
    const __m256 even = _mm256_castsi256_ps(_mm256_slli_epi32(pairs, 16));
    const __m256 odd = _mm256_castsi256_ps(_mm256_and_si256(pairs, _mm256_set1_epi32(static_cast<int>(0xffff0000))));
    return _mm256_blend_epi16(quantize(even, inverse), _mm256_slli_epi32(quantize(odd, inverse), 16), 0xaa);
  }

  /// 32 numbers. Packing works within 128-bit halves: the permutation puts the groups in order again.
  template <class Element>
  static void quantize_block(const Element* x, __m256 inverse, int8_t* q) {
    const __m256i bytes = _mm256_packs_epi16(quantize_words(x, inverse), quantize_words(x + 16, inverse));
    const __m256i groups_of_4 = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i groups_of_8 = _mm256_setr_epi32(0, 1, 4, 5, 2, 3, 6, 7);
    const __m256i order = sizeof(Element) == sizeof(float) ? groups_of_4 : groups_of_8;
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), _mm256_permutevar8x32_epi32(bytes, order));
  }

  static void round_16(const float* x, uint16_t* out) {
    const __m256i narrow = round_bf16_lanes(_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), narrow);
  }
};

}  // namespace

float quantize_f32_avx2(const float* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

float quantize_bf16_avx2(const uint16_t* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

void round_bf16_avx2(const float* x, size_t n, uint16_t* out) { run_round_bf16<Lanes>(x, n, out); }

}  // namespace switchyard
