#include "kernels/bench/peak.h"
#include "kernels/bench/peak_loop.h"

namespace switchyard::bench {

#define DOT(i) "%{vex%} vpdpbusd %%ymm14, %%ymm15, %%ymm" #i "\n"
SWITCHYARD_PEAK_LOOP(peak_int8_avxvnni, SWITCHYARD_TWELVE(DOT))

}  // namespace switchyard::bench
