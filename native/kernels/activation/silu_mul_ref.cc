#include "base/math.h"
#include "kernels/activation/silu_mul.h"

namespace switchyard {

void silu_mul_ref(const SiluMulArgs& args) {
  for (int t = 0; t < args.num_tokens; ++t) {
    const float* gate = args.gate_up + static_cast<size_t>(t) * 2 * args.size;
    const float* up = gate + args.size;
    float* y = args.y + static_cast<size_t>(t) * args.size;
    for (int k = 0; k < args.size; ++k) y[k] = silu32(gate[k]) * up[k];
  }
}

}  // namespace switchyard
