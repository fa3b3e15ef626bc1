// The gate of a feed-forward network (docs/numerics.md, operation 7): y = silu32(gate) * up, number by number.
// Source: SwiGLU, arXiv 2002.05202, section 2; silu32(x) = x / (1 + exp32(-x)).
#pragma once

#include <cstddef>

namespace switchyard {

struct SiluMulArgs {
  const float* gate_up;  // [num_tokens][2 * size]: gate, then up
  float* y;              // [num_tokens][size]; must not overlap gate_up
  int num_tokens;
  int size;
};

void silu_mul_ref(const SiluMulArgs& args);
void silu_mul_avx2(const SiluMulArgs& args);
void silu_mul_avx512(const SiluMulArgs& args);

}  // namespace switchyard
