#include "kernels/lanes/lanes_avx512.h"

#include "kernels/softmax/softmax_sum_lanes.h"

namespace switchyard {

SoftmaxSum softmax_sum_avx512(const float* x, int size) { return run_softmax_sum(x, size); }

}  // namespace switchyard
