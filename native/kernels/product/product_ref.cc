// The reference: one output at a time, as docs/numerics.md says it.
#include <cmath>
#include <functional>

#include "kernels/product/product.h"
#include "kernels/product/tree_sum.h"

namespace switchyard {
namespace {

float weight_at(const ProductArgs& args, int row, int k) {
  const size_t index = (static_cast<size_t>(row / kGroupRows) * args.num_columns + k) * kGroupRows + row % kGroupRows;
  return args.is_bf16 ? bf16_to_float(static_cast<const uint16_t*>(args.weights)[index])
                      : static_cast<const float*>(args.weights)[index];
}

float slice_sum(const ProductArgs& args, const float* x, int row, int first, int end) {
  float sum = 0.0f;
  for (int k = first; k < end; ++k) sum = std::fma(weight_at(args, row, k), x[k], sum);
  return sum;
}

}  // namespace

void product_ref(const ProductArgs& args) {
  const int slice_columns = args.num_columns / args.num_slices;
  for (int t = 0; t < args.num_tokens; ++t) {
    for (int row = 0; row < args.num_rows; ++row) {
      float slices[kMaxSlices];
      for (int s = 0; s < args.num_slices; ++s) {
        slices[s] = slice_sum(args, args.x + t * args.x_stride, row, s * slice_columns, (s + 1) * slice_columns);
      }
      args.y[t * args.y_stride + row] = tree_sum(slices, 1, args.num_slices, std::plus<>());
    }
  }
}

}  // namespace switchyard
