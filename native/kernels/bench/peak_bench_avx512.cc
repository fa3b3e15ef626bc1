// In assembly: compilers copy the sums of such loops about, which then is what is measured.
#include <immintrin.h>

#include "kernels/bench/peak.h"

namespace switchyard::bench {

void peak_fp32_avx512(uint64_t num_rounds) {
  asm volatile(
      "vzeroall\n"
      ".p2align 5\n"
      "1:\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm0\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm1\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm2\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm3\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm4\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm5\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm6\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm7\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm8\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm9\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm10\n"
      "vfmadd231ps %%zmm14, %%zmm15, %%zmm11\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper\n"
      : "+r"(num_rounds)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15");
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
