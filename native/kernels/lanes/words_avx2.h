// Eight words of 32 bits, each in the lower half of one of 64, as products of words need them; upper halves hold anything.
// NOTE: include only from *_avx2.cc; same members as words_avx512.h.
#pragma once

#include <immintrin.h>

#include <cstdint>

namespace switchyard {
namespace {

struct Words {
  static constexpr int kCount = 8;

  __m256i first;
  __m256i second;

  static Words load(const int32_t* p) {
    const auto four = [](const int32_t* from) {
      return _mm256_cvtepu32_epi64(_mm_loadu_si128(reinterpret_cast<const __m128i*>(from)));
    };
    return {four(p), four(p + 4)};
  }
  static Words broadcast(uint32_t word) {
    const __m256i all = _mm256_set1_epi64x(word);
    return {all, all};
  }
  /// All 64 bits of the products.
  static Words multiply(Words a, Words b) {
    return {_mm256_mul_epu32(a.first, b.first), _mm256_mul_epu32(a.second, b.second)};
  }
  static Words exclusive_or(Words a, Words b, Words c) {
    return {_mm256_xor_si256(_mm256_xor_si256(a.first, b.first), c.first),
            _mm256_xor_si256(_mm256_xor_si256(a.second, b.second), c.second)};
  }
  Words high() const { return {_mm256_srli_epi64(first, 32), _mm256_srli_epi64(second, 32)}; }
  void store(uint32_t* p) const {
    const __m256i low_halves = _mm256_castps_si256(
        _mm256_shuffle_ps(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second), _MM_SHUFFLE(2, 0, 2, 0)));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm256_permute4x64_epi64(low_halves, _MM_SHUFFLE(3, 1, 2, 0)));
  }
};

}  // namespace
}  // namespace switchyard
