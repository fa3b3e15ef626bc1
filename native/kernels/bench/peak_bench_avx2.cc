#include <immintrin.h>

#include "kernels/bench/peak.h"
#include "kernels/bench/peak_loop.h"

namespace switchyard::bench {

#define FMA(i) "vfmadd231ps %%ymm14, %%ymm15, %%ymm" #i "\n"
SWITCHYARD_PEAK_LOOP(peak_fp32_avx2, SWITCHYARD_TWELVE(FMA))

// Six sums, so that each has a register for its products.
#define SUM(i, products)                                  \
  "vpmaddubsw %%ymm14, %%ymm15, %%ymm" #products          \
  "\n"                                                    \
  "vpmaddwd %%ymm13, %%ymm" #products ", %%ymm" #products \
  "\n"                                                    \
  "vpaddd %%ymm" #products ", %%ymm" #i ", %%ymm" #i "\n"
#define SIX SUM(0, 6) SUM(1, 7) SUM(2, 8) SUM(3, 9) SUM(4, 10) SUM(5, 11)
SWITCHYARD_PEAK_LOOP(peak_int8_avx2, SIX SIX)

void read_avx2(const std::byte* data, size_t num_bytes) {
  __m256i seen[4] = {};
  for (const std::byte* at = data; at < data + num_bytes; at += 4 * sizeof(__m256i)) {
    const auto* vectors = reinterpret_cast<const __m256i*>(at);
    for (int i = 0; i < 4; ++i) seen[i] = _mm256_or_si256(seen[i], _mm256_load_si256(vectors + i));
  }
  for (const __m256i& each : seen) asm volatile("" : : "x"(each));
}

}  // namespace switchyard::bench
