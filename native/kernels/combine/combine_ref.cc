#include "kernels/combine/combine.h"

#include <cmath>

namespace switchyard {

void combine_ref(const CombineArgs& args) {
  for (int row = 0; row < args.num_rows; ++row) {
    float* y = args.y + static_cast<size_t>(row) * args.size;
    for (int i = 0; i < args.top_k; ++i) {
      const size_t pair = static_cast<size_t>(row) * args.top_k + i;
      const float* out = args.pair_out + pair * args.size;
      for (int k = 0; k < args.size; ++k) y[k] = std::fma(args.weights[pair], out[k], y[k]);
    }
  }
}

}  // namespace switchyard
