#include <immintrin.h>

#include "base/bf16_avx512.h"
#include "base/quantize_row_lanes.h"

namespace switchyard {
namespace {

struct Lanes {
  using Bits = __m512i;
  static constexpr size_t kWidth = 16;
  static constexpr size_t kNarrowWidth = 16;

  static __m512 load(const float* p) { return _mm512_loadu_ps(p); }
  static __m512 load(const uint16_t* p) {
    const __m256i narrow = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(narrow), 16));
  }
  static __m512 broadcast(float x) { return _mm512_set1_ps(x); }

  static Bits no_bits() { return _mm512_setzero_si512(); }
  static Bits max_bits(Bits a, Bits b) { return _mm512_max_epu32(a, b); }
  static Bits max_magnitude(Bits most, __m512 x) {
    return max_bits(most,
                    _mm512_and_si512(_mm512_castps_si512(x), _mm512_set1_epi32(static_cast<int>(kMagnitudeBits))));
  }
  static uint32_t reduce_max(Bits bits) { return _mm512_reduce_max_epu32(bits); }

  template <class Element>
  static void quantize_block(const Element* x, __m512 inverse, int8_t* q) {
    const __m512i scaled = _mm512_cvtps_epi32(_mm512_mul_ps(load(x), inverse));
    _mm_storeu_si128(reinterpret_cast<__m128i*>(q), _mm512_cvtepi32_epi8(scaled));
  }

  static void round_16(const float* x, uint16_t* out) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out), round_bf16_lanes(load(x)));
  }
};

}  // namespace

float quantize_f32_avx512(const float* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

float quantize_bf16_avx512(const uint16_t* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

void round_bf16_avx512(const float* x, size_t n, uint16_t* out) { run_round_bf16<Lanes>(x, n, out); }

}  // namespace switchyard
