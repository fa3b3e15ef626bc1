// Root-mean-square normalisation (docs/numerics.md, operation 1): y = (x * r) * weight, r = 1 / sqrt(mean(x^2) + eps),
// the mean over a row. Called before each block of the executor. Source: arXiv 1910.07467, section 3.
#pragma once

#include <cstddef>

namespace switchyard {

struct RmsNormArgs {
  const float* x;  // [num_tokens][size], rows x_stride apart
  size_t x_stride;
  const float* weight;  // [size]
  float* y;             // [num_tokens][size], rows y_stride apart; may be x
  size_t y_stride;
  int num_tokens;
  int size;
  float eps;
};

void rmsnorm_ref(const RmsNormArgs& args);
void rmsnorm_avx2(const RmsNormArgs& args);
void rmsnorm_avx512(const RmsNormArgs& args);

}  // namespace switchyard
