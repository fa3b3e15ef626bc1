// Sixteen fp32 lanes in one AVX-512 register; the twin of lanes_avx2.h, member by member, for *_avx512*.cc only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace switchyard {
namespace {

struct Lanes {
  static constexpr int kRegisters = 32;
  static constexpr int kWidth = 16;

  __m512 v;

  static Lanes zero() { return {_mm512_setzero_ps()}; }
  static Lanes broadcast(float x) { return {_mm512_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm512_loadu_ps(p)}; }
  static Lanes load(const uint16_t* bf16) {
    const __m256i bits = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bf16));
    return {_mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(bits), 16))};
  }
  static Lanes load(const int8_t* p) { return widen(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p))); }
  static Lanes load_fp16(const uint8_t* bytes) {
    return {_mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes)))};
  }
  static Lanes load_low(const uint32_t* words) { return low_half(_mm512_loadu_si512(words)); }
  static Lanes load_high(const uint32_t* words) { return high_half(_mm512_loadu_si512(words)); }
  static Lanes broadcast_low(uint32_t word) { return low_half(broadcast(word)); }
  static Lanes broadcast_high(uint32_t word) { return high_half(broadcast(word)); }
  static Lanes load_first(const float* p, int n) { return {_mm512_maskz_loadu_ps(mask(n), p)}; }
  static Lanes load_first(const int8_t* p, int n) { return widen(_mm_maskz_loadu_epi8(mask(n), p)); }
  void store(float* p) const { _mm512_storeu_ps(p, v); }
  void store_first(float* p, int n) const { _mm512_mask_storeu_ps(p, mask(n), v); }

  static Lanes fma(Lanes a, Lanes b, Lanes c) { return {_mm512_fmadd_ps(a.v, b.v, c.v)}; }
  static Lanes fms(Lanes a, Lanes b, Lanes c) { return {_mm512_fmsub_ps(a.v, b.v, c.v)}; }
  static Lanes turn_pairs(Lanes x, Lanes turns) {
    const __m512 swapped = _mm512_permute_ps(turns.v, _MM_SHUFFLE(2, 3, 0, 1));
    return {_mm512_fmaddsub_ps(_mm512_moveldup_ps(x.v), turns.v, _mm512_mul_ps(_mm512_movehdup_ps(x.v), swapped))};
  }
  static Lanes add(Lanes a, Lanes b) { return {_mm512_add_ps(a.v, b.v)}; }
  static Lanes sub(Lanes a, Lanes b) { return {_mm512_sub_ps(a.v, b.v)}; }
  static Lanes mul(Lanes a, Lanes b) { return {_mm512_mul_ps(a.v, b.v)}; }
  static Lanes div(Lanes a, Lanes b) { return {_mm512_div_ps(a.v, b.v)}; }
  static Lanes max(Lanes a, Lanes b) { return {_mm512_max_ps(a.v, b.v)}; }
  static Lanes min(Lanes a, Lanes b) { return {_mm512_min_ps(a.v, b.v)}; }
  static Lanes rint(Lanes a) { return {_mm512_roundscale_ps(a.v, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC)}; }
  static Lanes power_of_two(Lanes n) {
    return {
        _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_add_epi32(_mm512_cvtps_epi32(n.v), _mm512_set1_epi32(127)), 23))};
  }
  static Lanes blend_first(Lanes a, Lanes b, int n) { return {_mm512_mask_blend_ps(mask(n), b.v, a.v)}; }
  static Lanes zero_below(Lanes x, float limit, Lanes y) {
    return {_mm512_maskz_mov_ps(_mm512_cmp_ps_mask(x.v, _mm512_set1_ps(limit), _CMP_NLT_UQ), y.v)};
  }
  static Lanes keep_nan(Lanes x, Lanes y) {
    return {_mm512_mask_blend_ps(_mm512_cmp_ps_mask(x.v, x.v, _CMP_UNORD_Q), y.v, x.v)};
  }
  float largest() const { return _mm512_reduce_max_ps(v); }
  static uint32_t equal_bits(Lanes a, Lanes b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_EQ_OQ); }
  static uint32_t at_least_bits(Lanes a, Lanes b) { return _mm512_cmp_ps_mask(a.v, b.v, _CMP_GE_OQ); }
  float fold() const {
    const __m256 eight = _mm256_add_ps(_mm512_castps512_ps256(v), _mm512_extractf32x8_ps(v, 1));
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  /// Lane i is the fold of sums[i]. Each step adds the halves, quarters ... of sums and puts those of two sums into one register.
  static Lanes fold_sixteen(const float (*sums)[16]) {
    __m512 eight[8];  // eight lanes each of sums[i], [i + 4]; i = 0..3, 8..11
    for (int i = 0; i < 8; ++i) {
      const float* a = sums[i / 4 * 8 + i % 4];
      const float* b = sums[i / 4 * 8 + i % 4 + 4];
      eight[i] = _mm512_add_ps(load_halves(a, b), load_halves(a + 8, b + 8));
    }
    __m512 four[4];  // four lanes each of sums[i], [i + 4], [i + 8], [i + 12]
    for (int i = 0; i < 4; ++i) {
      four[i] = _mm512_add_ps(_mm512_shuffle_f32x4(eight[i], eight[i + 4], 0x88),
                              _mm512_shuffle_f32x4(eight[i], eight[i + 4], 0xdd));
    }
    const auto add_pairs = [](__m512 a, __m512 b) {
      return _mm512_add_ps(_mm512_shuffle_ps(a, b, 0x44), _mm512_shuffle_ps(a, b, 0xee));
    };
    const __m512 low = add_pairs(four[0], four[1]);
    const __m512 high = add_pairs(four[2], four[3]);
    return {_mm512_add_ps(_mm512_shuffle_ps(low, high, 0x88), _mm512_shuffle_ps(low, high, 0xdd))};
  }

 private:
  /// From memory, which any port does where moving halves between registers takes the one that shuffles.
  static __m512 load_halves(const float* low, const float* high) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(low)), _mm256_loadu_ps(high), 1);
  }
  static Lanes widen(__m128i bytes) { return {_mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(bytes))}; }
  static __m512i broadcast(uint32_t word) { return _mm512_set1_epi32(static_cast<int>(word)); }
  static Lanes low_half(__m512i words) { return {_mm512_castsi512_ps(_mm512_slli_epi32(words, 16))}; }
  static Lanes high_half(__m512i words) {
    return {_mm512_castsi512_ps(_mm512_and_si512(words, broadcast(0xffff0000u)))};
  }
  static __mmask16 mask(int n) { return static_cast<__mmask16>(n >= 16 ? 0xffffu : n <= 0 ? 0u : (1u << n) - 1u); }
};

/// What one register holds of them.
using Register = Lanes;

}  // namespace
}  // namespace switchyard
