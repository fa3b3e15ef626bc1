// The int32 sums of 16 output rows in two AVX2 registers. NOTE: include only from *_avx2.cc; same members as int8_lanes_avx512vnni.h.
//
// `vpmaddubsw` multiplies |w| by x with the sign of w and adds two products in int16: 2 * 128 * 127 = 32512 at most, so it never
// saturates, not even where a weight is -128.
#pragma once

#include "kernels/lanes/lanes_avx2.h"

namespace switchyard {
namespace {

struct Int8Lanes {
  static constexpr int kTileTokens = 4;
  static constexpr int kSumsMax = 4;  // of the 16 registers 8 are sums
  static constexpr int kSumsAlone = 16;

  struct Weights {
    __m256i value[2];
    __m256i magnitude[2];
  };

  __m256i half[2];  // int32 sums of rows 0..7 and 8..15

  static Int8Lanes start(int32_t) { return {{_mm256_setzero_si256(), _mm256_setzero_si256()}}; }

  static Weights load_weights(const uint8_t* bytes) {
    Weights w;
    for (int i = 0; i < 2; ++i) {
      const __m256i stored = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(bytes + 32 * i));
      w.value[i] = _mm256_xor_si256(stored, _mm256_set1_epi8(-128));
      w.magnitude[i] = _mm256_abs_epi8(w.value[i]);
    }
    return w;
  }

  void add_products(const Weights& w, int32_t quad) {
    const __m256i x = _mm256_set1_epi32(quad);
    for (int i = 0; i < 2; ++i) {
      const __m256i pairs = _mm256_maddubs_epi16(w.magnitude[i], _mm256_sign_epi8(x, w.value[i]));
      half[i] = _mm256_add_epi32(half[i], _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
    }
  }

  Lanes to_float() const { return {_mm256_cvtepi32_ps(half[0]), _mm256_cvtepi32_ps(half[1])}; }
};

}  // namespace
}  // namespace switchyard
