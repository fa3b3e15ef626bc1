// The loops of peak.h in assembly: compilers copy the sums of such loops about, which then is what is measured. Registers 14 and 15 are the
// operands, 0 to 11 the sums. For peak_bench_*.cc alone.
#pragma once

// text(0) text(1) .. text(11)
#define SWITCHYARD_TWELVE(text) \
  text(0) text(1) text(2) text(3) text(4) text(5) text(6) text(7) text(8) text(9) text(10) text(11)

/// Defines a function `name` that runs the lines of assembly `body` num_rounds times.
#define SWITCHYARD_PEAK_LOOP(name, body)                                                                          \
  void name(uint64_t num_rounds) {                                                                                \
    asm volatile(                                                                                                 \
        "vzeroall\n"                                                                                              \
        ".p2align 5\n"                                                                                            \
        "1:\n" body                                                                                               \
        "dec %0\n"                                                                                                \
        "jnz 1b\n"                                                                                                \
        "vzeroupper\n"                                                                                            \
        : "+r"(num_rounds)                                                                                        \
        :                                                                                                         \
        : "cc", "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8", "xmm9", "xmm10", "xmm11", \
          "xmm12", "xmm13", "xmm14", "xmm15");                                                                    \
  }
