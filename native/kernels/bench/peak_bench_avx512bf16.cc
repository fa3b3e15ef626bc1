#include "kernels/bench/peak.h"
#include "kernels/bench/peak_loop.h"

namespace switchyard::bench {

#define DOT(i) "vdpbf16ps %%zmm14, %%zmm15, %%zmm" #i "\n"
SWITCHYARD_PEAK_LOOP(peak_bf16_avx512bf16, SWITCHYARD_TWELVE(DOT))

}  // namespace switchyard::bench
