// Four columns of 16 output rows in two AVX2 registers, and int32 sums of their products, on processors that have `vpdpbusd` without
// AVX-512. NOTE: include only from *_avxvnni.cc; same members as quads_avx512vnni.h.
#pragma once

#include "kernels/lanes/lanes_avx2.h"

namespace switchyard {
namespace {

/// Bytes [16 rows][4], rows 0..7 and 8..15.
struct Quads {
  __m256i low;
  __m256i high;

  static Quads load(const uint8_t* bytes) {
    const auto* from = reinterpret_cast<const __m256i*>(bytes);
    return {_mm256_loadu_si256(from), _mm256_loadu_si256(from + 1)};
  }
  Quads bits(uint8_t mask) const {
    const __m256i all = _mm256_set1_epi8(static_cast<char>(mask));
    return {_mm256_and_si256(low, all), _mm256_and_si256(high, all)};
  }
  Quads joined(Quads other) const { return {_mm256_or_si256(low, other.low), _mm256_or_si256(high, other.high)}; }
  /// Shifts words of 16 bits left, or right where `count` is below zero.
  Quads shifted(int count) const {
    if (count >= 0) return {_mm256_slli_epi16(low, count), _mm256_slli_epi16(high, count)};
    return {_mm256_srli_epi16(low, -count), _mm256_srli_epi16(high, -count)};
  }
};

/// Of 16 rows.
struct QuadSums {
  static constexpr int kInRegisters = 6;  // pairs: more than take turns while one product waits for the one before

  __m256i low;
  __m256i high;

  static QuadSums begin(int32_t start) { return {_mm256_set1_epi32(start), _mm256_set1_epi32(start)}; }
  /// w unsigned, the four bytes of x signed.
  void add_products(Quads w, int32_t x) {
    const __m256i quad = _mm256_set1_epi32(x);
    low = _mm256_dpbusd_avx_epi32(low, w.low, quad);
    high = _mm256_dpbusd_avx_epi32(high, w.high, quad);
  }
  Lanes to_float() const { return {_mm256_cvtepi32_ps(low), _mm256_cvtepi32_ps(high)}; }
};

}  // namespace
}  // namespace switchyard
