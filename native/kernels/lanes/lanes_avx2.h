// Sixteen fp32 lanes in two AVX2 registers: the vector type that op_lanes.h templates are instantiated with in *_avx2.cc.
// Anonymous namespace: these files are compiled for AVX2, and nothing in them may be merged with code of other files.
// NOTE: include only from *_avx2.cc; same members as lanes_avx512.h.
#pragma once

#include <immintrin.h>

#include <cstdint>
#include <cstring>

namespace switchyard {
namespace {

inline __m256i first_lanes(int n) {
  return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

/// What one register holds: half of the lanes. For loops that have room for more sums of halves than of pairs of them.
struct Register {
  static constexpr int kRegisters = 16;
  static constexpr int kWidth = 8;

  __m256 v;

  static Register zero() { return {_mm256_setzero_ps()}; }
  static Register broadcast(float x) { return {_mm256_set1_ps(x)}; }
  static Register load(const float* p) { return {_mm256_loadu_ps(p)}; }
  static Register load_first(const float* p, int n) { return {_mm256_maskload_ps(p, first_lanes(n))}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  void store_first(float* p, int n) const { _mm256_maskstore_ps(p, first_lanes(n), v); }
  static Register fma(Register a, Register b, Register c) { return {_mm256_fmadd_ps(a.v, b.v, c.v)}; }
};

struct Lanes {
  static constexpr int kRegisters = 8;  // pairs of them

  __m256 low;
  __m256 high;

  static Lanes zero() { return {_mm256_setzero_ps(), _mm256_setzero_ps()}; }
  static Lanes broadcast(float x) { return {_mm256_set1_ps(x), _mm256_set1_ps(x)}; }
  static Lanes load(const float* p) { return {_mm256_loadu_ps(p), _mm256_loadu_ps(p + 8)}; }
  static Lanes load(const uint16_t* bf16) { return {widen(bf16), widen(bf16 + 8)}; }
  static Lanes load(const int8_t* p) { return {widen(p), widen(p + 8)}; }
  /// Sixteen fp16 numbers, two bytes each.
  static Lanes load_fp16(const uint8_t* bytes) {
    const auto* halves = reinterpret_cast<const __m128i*>(bytes);
    return {_mm256_cvtph_ps(_mm_loadu_si128(halves)), _mm256_cvtph_ps(_mm_loadu_si128(halves + 1))};
  }
  /// bf16 numbers of which the low, or the high, halves of sixteen words are the bits.
  static Lanes load_low(const uint32_t* words) { return {low_half(load(words)), low_half(load(words + 8))}; }
  static Lanes load_high(const uint32_t* words) { return {high_half(load(words)), high_half(load(words + 8))}; }
  static Lanes broadcast_low(uint32_t word) { return both(low_half(broadcast(word))); }
  static Lanes broadcast_high(uint32_t word) { return both(high_half(broadcast(word))); }
  /// First n lanes from p, +0 in the rest; reads nothing beyond p[n - 1].
  static Lanes load_first(const float* p, int n) {
    return {_mm256_maskload_ps(p, mask(n)), _mm256_maskload_ps(p + 8, mask(n - 8))};
  }
  static Lanes load_first(const int8_t* p, int n) {
    int8_t first[16] = {};
    if (n > 0) std::memcpy(first, p, n < 16 ? n : 16);
    return load(first);
  }
  void store(float* p) const {
    _mm256_storeu_ps(p, low);
    _mm256_storeu_ps(p + 8, high);
  }
  void store_first(float* p, int n) const {
    _mm256_maskstore_ps(p, mask(n), low);
    _mm256_maskstore_ps(p + 8, mask(n - 8), high);
  }

  static Lanes fma(Lanes a, Lanes b, Lanes c) {
    return {_mm256_fmadd_ps(a.low, b.low, c.low), _mm256_fmadd_ps(a.high, b.high, c.high)};
  }
  /// a * b - c, one rounding.
  static Lanes fms(Lanes a, Lanes b, Lanes c) {
    return {_mm256_fmsub_ps(a.low, b.low, c.low), _mm256_fmsub_ps(a.high, b.high, c.high)};
  }
  /// (fma(a, c, -(b * s)), fma(a, s, b * c)) of each pair (a, b) of x and its (c, s) in turns.
  static Lanes turn_pairs(Lanes x, Lanes turns) {
    return {turn_pairs(x.low, turns.low), turn_pairs(x.high, turns.high)};
  }
  static Lanes add(Lanes a, Lanes b) { return {_mm256_add_ps(a.low, b.low), _mm256_add_ps(a.high, b.high)}; }
  static Lanes sub(Lanes a, Lanes b) { return {_mm256_sub_ps(a.low, b.low), _mm256_sub_ps(a.high, b.high)}; }
  static Lanes mul(Lanes a, Lanes b) { return {_mm256_mul_ps(a.low, b.low), _mm256_mul_ps(a.high, b.high)}; }
  static Lanes div(Lanes a, Lanes b) { return {_mm256_div_ps(a.low, b.low), _mm256_div_ps(a.high, b.high)}; }
  /// a where a > b, else b.
  static Lanes max(Lanes a, Lanes b) { return {_mm256_max_ps(a.low, b.low), _mm256_max_ps(a.high, b.high)}; }
  /// a where a < b, else b.
  static Lanes min(Lanes a, Lanes b) { return {_mm256_min_ps(a.low, b.low), _mm256_min_ps(a.high, b.high)}; }
  static Lanes rint(Lanes a) {
    constexpr int kNearest = _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC;
    return {_mm256_round_ps(a.low, kNearest), _mm256_round_ps(a.high, kNearest)};
  }
  /// 2^n of integral n in [-126, 127].
  static Lanes power_of_two(Lanes n) { return {power_of_two(n.low), power_of_two(n.high)}; }
  /// The first n lanes of a, the rest of b.
  static Lanes blend_first(Lanes a, Lanes b, int n) {
    return {_mm256_blendv_ps(b.low, a.low, _mm256_castsi256_ps(mask(n))),
            _mm256_blendv_ps(b.high, a.high, _mm256_castsi256_ps(mask(n - 8)))};
  }
  /// +0 where x < limit, y elsewhere (also where x is NaN).
  static Lanes zero_below(Lanes x, float limit, Lanes y) {
    const __m256 l = _mm256_set1_ps(limit);
    return {_mm256_andnot_ps(_mm256_cmp_ps(x.low, l, _CMP_LT_OQ), y.low),
            _mm256_andnot_ps(_mm256_cmp_ps(x.high, l, _CMP_LT_OQ), y.high)};
  }
  /// x where x is NaN, y elsewhere.
  static Lanes keep_nan(Lanes x, Lanes y) {
    return {_mm256_blendv_ps(y.low, x.low, _mm256_cmp_ps(x.low, x.low, _CMP_UNORD_Q)),
            _mm256_blendv_ps(y.high, x.high, _mm256_cmp_ps(x.high, x.high, _CMP_UNORD_Q))};
  }
  /// Of lanes without NaN, or of which all are the same one.
  float largest() const {
    const __m256 eight = _mm256_max_ps(low, high);
    const __m128 four = _mm_max_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_max_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_max_ss(two, _mm_movehdup_ps(two)));
  }
  /// Bit i: whether a = b, or a >= b, in lane i.
  static uint32_t equal_bits(Lanes a, Lanes b) {
    return bits_of(_mm256_cmp_ps(a.low, b.low, _CMP_EQ_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_EQ_OQ));
  }
  static uint32_t at_least_bits(Lanes a, Lanes b) {
    return bits_of(_mm256_cmp_ps(a.low, b.low, _CMP_GE_OQ), _mm256_cmp_ps(a.high, b.high, _CMP_GE_OQ));
  }
  /// fold16 of docs/numerics.md.
  float fold() const {
    const __m256 eight = _mm256_add_ps(low, high);
    const __m128 four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps(eight, 1));
    const __m128 two = _mm_add_ps(four, _mm_movehl_ps(four, four));
    return _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)));
  }
  /// Lane i is the fold of sums[i]. Each step adds the halves, quarters ... of sums and puts those of two sums into one register.
  static Lanes fold_sixteen(const float (*sums)[16]) { return {fold_eight(sums), fold_eight(sums + 8)}; }

 private:
  static __m256 halves(const float* sum) { return _mm256_add_ps(_mm256_loadu_ps(sum), _mm256_loadu_ps(sum + 8)); }
  static __m256 fold_eight(const float (*sums)[16]) {
    __m256 four[4];  // four lanes each of sums[i], [i + 4]
    for (int i = 0; i < 4; ++i) {
      const __m256 a = halves(sums[i]);
      const __m256 b = halves(sums[i + 4]);
      four[i] = _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
    }
    const auto add_pairs = [](__m256 a, __m256 b) {
      return _mm256_add_ps(_mm256_shuffle_ps(a, b, 0x44), _mm256_shuffle_ps(a, b, 0xee));
    };
    const __m256 low = add_pairs(four[0], four[1]);
    const __m256 high = add_pairs(four[2], four[3]);
    return _mm256_add_ps(_mm256_shuffle_ps(low, high, 0x88), _mm256_shuffle_ps(low, high, 0xdd));
  }
  static __m256 widen(const uint16_t* p) {
    const __m128i bits = _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(bits), 16));
  }
  static __m256 widen(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }
  static __m256 turn_pairs(__m256 x, __m256 turns) {
    const __m256 swapped = _mm256_permute_ps(turns, _MM_SHUFFLE(2, 3, 0, 1));
    return _mm256_fmaddsub_ps(_mm256_moveldup_ps(x), turns, _mm256_mul_ps(_mm256_movehdup_ps(x), swapped));
  }
  static Lanes both(__m256 half) { return {half, half}; }
  static __m256i broadcast(uint32_t word) { return _mm256_set1_epi32(static_cast<int>(word)); }
  static __m256i load(const uint32_t* words) { return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(words)); }
  static __m256 low_half(__m256i words) { return _mm256_castsi256_ps(_mm256_slli_epi32(words, 16)); }
  static __m256 high_half(__m256i words) {
    return _mm256_castsi256_ps(_mm256_and_si256(words, broadcast(0xffff0000u)));
  }
  static uint32_t bits_of(__m256 low, __m256 high) {
    return static_cast<uint32_t>(_mm256_movemask_ps(low)) | static_cast<uint32_t>(_mm256_movemask_ps(high)) << 8;
  }
  static __m256i mask(int n) { return first_lanes(n); }
  static __m256 power_of_two(__m256 n) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127)), 23));
  }
};

}  // namespace
}  // namespace switchyard
