// Eight words of 32 bits in one AVX-512 register; the twin of words_avx2.h, member by member, for *_avx512*.cc only.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace switchyard {
namespace {

struct Words {
  static constexpr int kCount = 8;

  __m512i v;

  static Words load(const int32_t* p) {
    return {_mm512_cvtepu32_epi64(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)))};
  }
  static Words broadcast(uint32_t word) { return {_mm512_set1_epi64(word)}; }
  static Words multiply(Words a, Words b) { return {_mm512_mul_epu32(a.v, b.v)}; }
  static Words exclusive_or(Words a, Words b, Words c) {
    constexpr int kOddOnes = 0x96;
    return {_mm512_ternarylogic_epi64(a.v, b.v, c.v, kOddOnes)};
  }
  Words high() const { return {_mm512_srli_epi64(v, 32)}; }
  void store(uint32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtepi64_epi32(v)); }
};

}  // namespace
}  // namespace switchyard
