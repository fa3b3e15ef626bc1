#include <immintrin.h>

#include "kernels/bench/peak.h"

namespace switchyard::bench {

void peak_fp32_avx2(uint64_t num_rounds) {
  __m256 sums[kNumChains];
  for (__m256& sum : sums) sum = _mm256_setzero_ps();
  const __m256 half = _mm256_set1_ps(0.5f);
  const __m256 one = _mm256_set1_ps(1.0f);
  for (uint64_t i = 0; i < num_rounds; ++i) {
    for (__m256& sum : sums) sum = _mm256_fmadd_ps(sum, half, one);
  }
  for (const __m256& sum : sums) asm volatile("" : : "x"(sum));
}

void peak_int8_avx2(uint64_t num_rounds) {
  __m256i sums[kNumChains];
  for (__m256i& sum : sums) sum = _mm256_setzero_si256();
  __m256i left = _mm256_set1_epi8(1);
  const __m256i right = _mm256_set1_epi8(2);
  const __m256i ones = _mm256_set1_epi16(1);
  for (uint64_t i = 0; i < num_rounds; ++i) {
    for (__m256i& sum : sums) {
      asm volatile("" : "+x"(left));  // the compiler would take the products out of the loop
      sum = _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(left, right), ones));
    }
  }
  for (const __m256i& sum : sums) asm volatile("" : : "x"(sum));
}

void read_avx2(const std::byte* data, size_t num_bytes) {
  __m256i seen[4] = {};
  for (const std::byte* at = data; at < data + num_bytes; at += 4 * sizeof(__m256i)) {
    const auto* vectors = reinterpret_cast<const __m256i*>(at);
    for (int i = 0; i < 4; ++i) seen[i] = _mm256_or_si256(seen[i], _mm256_load_si256(vectors + i));
  }
  for (const __m256i& each : seen) asm volatile("" : : "x"(each));
}

}  // namespace switchyard::bench
