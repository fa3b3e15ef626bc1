// Four columns of 16 output rows in one AVX-512 register, and int32 sums of their products; the twin of quads_avxvnni.h, for *_avx512vnni.cc
// only.
#pragma once

#include "kernels/lanes/lanes_avx512.h"

namespace switchyard {
namespace {

/// Bytes [16 rows][4].
struct Quads {
  __m512i v;

  static Quads load(const uint8_t* bytes) { return {_mm512_loadu_si512(bytes)}; }
  Quads bits(uint8_t mask) const { return {_mm512_and_si512(v, _mm512_set1_epi8(static_cast<char>(mask)))}; }
  Quads joined(Quads other) const { return {_mm512_or_si512(v, other.v)}; }
  /// Shifts words of 16 bits left, or right where `count` is below zero.
  Quads shifted(int count) const { return {count >= 0 ? _mm512_slli_epi16(v, count) : _mm512_srli_epi16(v, -count)}; }
};

/// Of 16 rows.
struct QuadSums {
  static constexpr int kInRegisters = 16;

  __m512i v;

  static QuadSums begin(int32_t start) { return {_mm512_set1_epi32(start)}; }
  /// w unsigned, the four bytes of x signed.
  void add_products(Quads w, int32_t x) { v = _mm512_dpbusd_epi32(v, w.v, _mm512_set1_epi32(x)); }
  Lanes to_float() const { return {_mm512_cvtepi32_ps(v)}; }
};

}  // namespace
}  // namespace switchyard
