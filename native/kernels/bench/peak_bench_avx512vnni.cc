#include "kernels/bench/peak.h"
#include "kernels/bench/peak_loop.h"

namespace switchyard::bench {

#define DOT(i) "vpdpbusd %%zmm14, %%zmm15, %%zmm" #i "\n"
SWITCHYARD_PEAK_LOOP(peak_int8_avx512vnni, SWITCHYARD_TWELVE(DOT))

}  // namespace switchyard::bench
