#include "kernels/combine/combine.h"

#include <cmath>

#include "base/quantize_row.h"

namespace switchyard {
namespace {

float number_at(const CombineArgs& args, const std::byte* out, int k) {
  if (!args.is_int8) return reinterpret_cast<const float*>(out)[k];
  return static_cast<float>(reinterpret_cast<const int8_t*>(out)[k]) * int8_row_scale(out, args.size);
}

}  // namespace

void combine_ref(const CombineArgs& args) {
  for (int row = 0; row < args.num_rows; ++row) {
    float* y = args.y + static_cast<size_t>(row) * args.size;
    for (int i = 0; i < args.top_k; ++i) {
      const size_t pair = static_cast<size_t>(row) * args.top_k + i;
      for (int k = 0; k < args.size; ++k)
        y[k] = std::fma(args.weights[pair], number_at(args, args.outputs[pair], k), y[k]);
    }
  }
}

}  // namespace switchyard
