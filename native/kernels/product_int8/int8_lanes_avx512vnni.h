// The int32 sums of 16 output rows in one AVX-512 register; the twin of int8_lanes_avx2.h, for *_avx512vnni.cc only.
#pragma once

#include "kernels/lanes/lanes_avx512.h"

namespace switchyard {
namespace {

struct Int8Lanes {
  static constexpr int kTileTokens = 8;
  static constexpr int kSumsMax = 16;    // of the 32 registers
  static constexpr int kSumsAlone = 32;  // memory is slower still than sums that are not in registers

  using Weights = __m512i;

  __m512i sums;

  /// The bytes of the weights are 128 too large.
  static Int8Lanes start(int32_t x_sum) { return {_mm512_set1_epi32(-128 * x_sum)}; }

  static Weights load_weights(const uint8_t* bytes) { return _mm512_loadu_si512(bytes); }

  void add_products(Weights w, int32_t quad) { sums = _mm512_dpbusd_epi32(sums, w, _mm512_set1_epi32(quad)); }

  Lanes to_float() const { return {_mm512_cvtepi32_ps(sums)}; }
};

}  // namespace
}  // namespace switchyard
