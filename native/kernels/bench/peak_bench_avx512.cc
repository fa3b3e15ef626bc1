#include <immintrin.h>

#include "kernels/bench/peak.h"
#include "kernels/bench/peak_loop.h"

namespace switchyard::bench {

#define FMA(i) "vfmadd231ps %%zmm14, %%zmm15, %%zmm" #i "\n"
SWITCHYARD_PEAK_LOOP(peak_fp32_avx512, SWITCHYARD_TWELVE(FMA))

void read_avx512(const std::byte* data, size_t num_bytes) {
  __m512i seen[8] = {};
  for (const std::byte* at = data; at < data + num_bytes; at += 8 * sizeof(__m512i)) {
    const auto* vectors = reinterpret_cast<const __m512i*>(at);
    for (int i = 0; i < 8; ++i) seen[i] = _mm512_or_si512(seen[i], _mm512_load_si512(vectors + i));
  }
  for (const __m512i& each : seen) asm volatile("" : : "v"(each));
}

}  // namespace switchyard::bench
