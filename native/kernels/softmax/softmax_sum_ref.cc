#include "base/math.h"
#include "kernels/lanes/fold.h"
#include "kernels/softmax/softmax_sum.h"

namespace switchyard {

SoftmaxSum softmax_sum_ref(const float* x, int size) {
  float max = x[0];
  for (int i = 1; i < size; ++i) max = x[i] > max ? x[i] : max;
  float lane[kLanes] = {};
  for (int i = 0; i < size; ++i) lane[i % kLanes] += exp32(x[i] - max);
  return {max, fold16(lane)};
}

}  // namespace switchyard
