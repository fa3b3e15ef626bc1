#include <algorithm>
#include <numeric>

#include "base/quantize_row.h"
#include "kernels/product_int8/product_int8.h"
#include "kernels/registry.h"

namespace switchyard {

void Int8Activations::quantize(const float* x, size_t x_stride, int num_columns, int num_tokens) {
  const QuantizeKernels& kernel = quantize_kernels_of(kernels().isa);
  const size_t row_bytes = int8_num_quads(num_columns) * kInt8QuadColumns;
  values_.resize(std::max(values_.size(), num_tokens * row_bytes));
  rows_.resize(std::max(rows_.size(), static_cast<size_t>(num_tokens)));
  for (int t = 0; t < num_tokens; ++t) {
    int8_t* q = &values_[t * row_bytes];
    rows_[t].scale = kernel.from_f32(x + t * x_stride, num_columns, q);
    std::fill(q + num_columns, q + row_bytes, int8_t{0});
    rows_[t].sum = std::accumulate(q, q + num_columns, int32_t{0});
  }
}

}  // namespace switchyard
