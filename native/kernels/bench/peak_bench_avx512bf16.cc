// In assembly: compilers copy the sums of such loops about, which then is what is measured.
#include "kernels/bench/peak.h"

namespace switchyard::bench {

void peak_bf16_avx512bf16(uint64_t num_rounds) {
  asm volatile(
      "vzeroall\n"
      ".p2align 5\n"
      "1:\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm0\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm1\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm2\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm3\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm4\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm5\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm6\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm7\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm8\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm9\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm10\n"
      "vdpbf16ps %%zmm14, %%zmm15, %%zmm11\n"
      "dec %0\n"
      "jnz 1b\n"
      "vzeroupper\n"
      : "+r"(num_rounds)
      :
      : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", "xmm12",
        "xmm13", "xmm14", "xmm15");
}

}  // namespace switchyard::bench
