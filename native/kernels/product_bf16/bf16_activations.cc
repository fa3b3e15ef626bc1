#include <algorithm>

#include "base/quantize_row.h"
#include "kernels/product_bf16/product_bf16.h"
#include "kernels/registry.h"

namespace switchyard {

void Bf16Activations::resize(int num_columns, int num_tokens) {
  num_columns_ = num_columns;
  pairs_.resize(std::max(pairs_.size(), static_cast<size_t>(num_tokens) * bf16_num_pairs(num_columns)));
}

void Bf16Activations::round(const float* x, size_t x_stride, int first_token, int end_token) {
  const QuantizeKernels& kernel = quantize_kernels_of(kernels().isa);
  const size_t num_pairs = bf16_num_pairs(num_columns_);
  for (int t = first_token; t < end_token; ++t) {
    uint32_t* row = &pairs_[t * num_pairs];
    row[num_pairs - 1] = 0;
    kernel.round_bf16(x + t * x_stride, num_columns_, reinterpret_cast<uint16_t*>(row));
  }
}

}  // namespace switchyard
