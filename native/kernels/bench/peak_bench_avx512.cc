#include <immintrin.h>

#include "kernels/bench/peak.h"

namespace switchyard::bench {

void peak_fp32_avx512(uint64_t num_rounds) {
  __m512 sums[kNumChains];
  for (__m512& sum : sums) sum = _mm512_setzero_ps();
  const __m512 half = _mm512_set1_ps(0.5f);
  const __m512 one = _mm512_set1_ps(1.0f);
  for (uint64_t i = 0; i < num_rounds; ++i) {
    for (__m512& sum : sums) sum = _mm512_fmadd_ps(sum, half, one);
  }
  for (const __m512& sum : sums) asm volatile("" : : "v"(sum));
}

void read_avx512(const std::byte* data, size_t num_bytes) {
  __m512i seen[8] = {};
  for (const std::byte* at = data; at < data + num_bytes; at += 8 * sizeof(__m512i)) {
    const auto* vectors = reinterpret_cast<const __m512i*>(at);
    for (int i = 0; i < 8; ++i) seen[i] = _mm512_or_si512(seen[i], _mm512_load_si512(vectors + i));
  }
  for (const __m512i& each : seen) asm volatile("" : : "v"(each));
}

}  // namespace switchyard::bench
