#include "kernels/lanes/lanes_avx512.h"
#include "kernels/lanes/words_avx512.h"

#include "kernels/sampling/logit_kernels_lanes.h"

namespace switchyard {

const LogitKernels kLogitKernelsAvx512 = kLogitKernelsOfLanes;

}  // namespace switchyard
