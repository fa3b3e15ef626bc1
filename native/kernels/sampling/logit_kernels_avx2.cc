#include "kernels/lanes/lanes_avx2.h"
#include "kernels/lanes/words_avx2.h"

#include "kernels/sampling/logit_kernels_lanes.h"

namespace switchyard {

const LogitKernels kLogitKernelsAvx2 = kLogitKernelsOfLanes;

}  // namespace switchyard
