#include "kernels/rmsnorm/rmsnorm.h"

#include <cmath>

#include "base/math.h"
#include "kernels/lanes/fold.h"

namespace switchyard {

void rmsnorm_ref(const RmsNormArgs& args) {
  for (int t = 0; t < args.num_tokens; ++t) {
    const float* x = args.x + t * args.x_stride;
    float* y = args.y + t * args.y_stride;
    float lane[kLanes] = {};
    for (int k = 0; k < args.size; ++k) lane[k % kLanes] = std::fma(x[k], x[k], lane[k % kLanes]);
    const float r = rsqrt32(fold16(lane) / static_cast<float>(args.size) + args.eps);
    for (int k = 0; k < args.size; ++k) y[k] = (x[k] * r) * args.weight[k];
  }
}

}  // namespace switchyard
