// The reference: one output at a time, as docs/numerics.md says it.
#include "kernels/product_int8/product_int8.h"

namespace switchyard {
namespace {

int32_t weight_at(const Int8ProductArgs& args, int row, size_t k) {
  const size_t quad = (row / kInt8GroupRows) * args.num_quads + k / kInt8QuadColumns;
  const size_t index = (quad * kInt8GroupRows + row % kInt8GroupRows) * kInt8QuadColumns + k % kInt8QuadColumns;
  return args.weights[index] - kInt8Zero;
}

}  // namespace

void product_int8_ref(const Int8ProductArgs& args) {
  const size_t num_columns = args.num_quads * kInt8QuadColumns;
  for (int t = 0; t < args.num_tokens; ++t) {
    const int8_t* x = args.x + t * num_columns;
    for (int row = 0; row < args.num_rows; ++row) {
      int32_t sum = 0;
      for (size_t k = 0; k < num_columns; ++k) sum += weight_at(args, row, k) * x[k];
      args.y[t * args.y_stride + row] = static_cast<float>(sum) * (args.weight_scales[row] * args.rows[t].scale);
    }
  }
}

}  // namespace switchyard
