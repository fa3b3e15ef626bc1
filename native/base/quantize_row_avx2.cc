#include <immintrin.h>

#include "base/bf16_avx2.h"
#include "base/quantize_row_lanes.h"

namespace switchyard {
namespace {

struct Lanes {
  using Bits = __m256i;
  static constexpr size_t kWidth = 8;
  static constexpr size_t kNarrowWidth = 32;

  static __m256 load(const float* p) { return _mm256_loadu_ps(p); }
  static __m256 load(const uint16_t* p) {
    const __m128i narrow = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(narrow), 16));
  }
  static __m256 broadcast(float x) { return _mm256_set1_ps(x); }

  static Bits no_bits() { return _mm256_setzero_si256(); }
  static Bits max_bits(Bits a, Bits b) { return _mm256_max_epu32(a, b); }
  static Bits max_magnitude(Bits most, __m256 x) {
    return max_bits(most,
                    _mm256_and_si256(_mm256_castps_si256(x), _mm256_set1_epi32(static_cast<int>(kMagnitudeBits))));
  }
  static uint32_t reduce_max(Bits bits) {
    alignas(32) uint32_t lanes[kWidth];
    _mm256_store_si256(reinterpret_cast<__m256i*>(lanes), bits);
    return *std::max_element(lanes, lanes + kWidth);
  }

  template <class Element>
  static void quantize_block(const Element* x, __m256 inverse, int8_t* q) {
    const auto scaled = [&](size_t i) { return _mm256_cvtps_epi32(_mm256_mul_ps(load(x + i * kWidth), inverse)); };
    // Packing works within 128-bit halves: the permutation puts the groups of four in order again.
    const __m256i low = _mm256_packs_epi32(scaled(0), scaled(1));
    const __m256i high = _mm256_packs_epi32(scaled(2), scaled(3));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes = _mm256_permutevar8x32_epi32(_mm256_packs_epi16(low, high), order);
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), bytes);
  }

  static void round_16(const float* x, uint16_t* out) {
    auto* to = reinterpret_cast<__m128i*>(out);
    _mm_storeu_si128(to, round_bf16_lanes(load(x)));
    _mm_storeu_si128(to + 1, round_bf16_lanes(load(x + 8)));
  }
};

}  // namespace

float quantize_f32_avx2(const float* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

float quantize_bf16_avx2(const uint16_t* x, size_t n, int8_t* q) { return run_quantize<Lanes>(x, n, q); }

void round_bf16_avx2(const float* x, size_t n, uint16_t* out) { run_round_bf16<Lanes>(x, n, out); }

}  // namespace switchyard
