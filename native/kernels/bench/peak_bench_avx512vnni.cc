#include <immintrin.h>

#include "kernels/bench/peak.h"

namespace switchyard::bench {

void peak_int8_avx512vnni(uint64_t num_rounds) {
  __m512i sums[kNumChains];
  for (__m512i& sum : sums) sum = _mm512_setzero_si512();
  const __m512i left = _mm512_set1_epi8(1);
  const __m512i right = _mm512_set1_epi8(2);
  for (uint64_t i = 0; i < num_rounds; ++i) {
    // By hand: gcc copies each sum before it adds to it.
    for (__m512i& sum : sums) asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(left), "v"(right));
  }
  for (const __m512i& sum : sums) asm volatile("" : : "v"(sum));
}

}  // namespace switchyard::bench
