// Maximum and sum of exp32(x - max) of a row of logits (docs/numerics.md, "Reported logprob"): log softmax(x)_i = x_i - max - log(sum).
// Called by the sampler and the softmax router. Source of exp32: Cephes, expf.
#pragma once

namespace switchyard {

struct SoftmaxSum {
  float max;
  float sum;  // fold16 of exp32(x - max)
};

/// size > 0; x is finite.
SoftmaxSum softmax_sum_ref(const float* x, int size);
SoftmaxSum softmax_sum_avx2(const float* x, int size);
SoftmaxSum softmax_sum_avx512(const float* x, int size);

}  // namespace switchyard
