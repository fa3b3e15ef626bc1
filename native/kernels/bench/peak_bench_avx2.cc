// In assembly: compilers copy the sums of such loops about, which then is what is measured.
#include <immintrin.h>

#include "kernels/bench/peak.h"

namespace switchyard::bench {

void peak_fp32_avx2(uint64_t num_rounds) {
  asm volatile(
      "vzeroall\n"
      ".p2align 5\n"
      "1:\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm0\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm1\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm2\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm3\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm4\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm5\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm6\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm7\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm8\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm9\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm10\n"
      "vfmadd231ps %%ymm14, %%ymm15, %%ymm11\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper\n"
      : "+r"(num_rounds)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15");
}

void peak_int8_avx2(uint64_t num_rounds) {
  asm volatile(
      "vzeroall\n"
      ".p2align 5\n"
      "1:\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm6\n"
      "vpmaddwd %%ymm13, %%ymm6, %%ymm6\n"
      "vpaddd %%ymm6, %%ymm0, %%ymm0\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm7\n"
      "vpmaddwd %%ymm13, %%ymm7, %%ymm7\n"
      "vpaddd %%ymm7, %%ymm1, %%ymm1\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm8\n"
      "vpmaddwd %%ymm13, %%ymm8, %%ymm8\n"
      "vpaddd %%ymm8, %%ymm2, %%ymm2\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm9\n"
      "vpmaddwd %%ymm13, %%ymm9, %%ymm9\n"
      "vpaddd %%ymm9, %%ymm3, %%ymm3\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm10\n"
      "vpmaddwd %%ymm13, %%ymm10, %%ymm10\n"
      "vpaddd %%ymm10, %%ymm4, %%ymm4\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm11\n"
      "vpmaddwd %%ymm13, %%ymm11, %%ymm11\n"
      "vpaddd %%ymm11, %%ymm5, %%ymm5\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm6\n"
      "vpmaddwd %%ymm13, %%ymm6, %%ymm6\n"
      "vpaddd %%ymm6, %%ymm0, %%ymm0\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm7\n"
      "vpmaddwd %%ymm13, %%ymm7, %%ymm7\n"
      "vpaddd %%ymm7, %%ymm1, %%ymm1\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm8\n"
      "vpmaddwd %%ymm13, %%ymm8, %%ymm8\n"
      "vpaddd %%ymm8, %%ymm2, %%ymm2\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm9\n"
      "vpmaddwd %%ymm13, %%ymm9, %%ymm9\n"
      "vpaddd %%ymm9, %%ymm3, %%ymm3\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm10\n"
      "vpmaddwd %%ymm13, %%ymm10, %%ymm10\n"
      "vpaddd %%ymm10, %%ymm4, %%ymm4\n"
      "vpmaddubsw %%ymm14, %%ymm15, %%ymm11\n"
      "vpmaddwd %%ymm13, %%ymm11, %%ymm11\n"
      "vpaddd %%ymm11, %%ymm5, %%ymm5\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper\n"
      : "+r"(num_rounds)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15");
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
