#include <algorithm>

#include "base/quantize_row.h"
#include "kernels/product_bf16/product_bf16.h"
#include "kernels/registry.h"

namespace switchyard {

void Bf16Activations::round(const float* x, size_t x_stride, int num_columns, int num_tokens) {
  const QuantizeKernels& kernel = quantize_kernels_of(kernels().isa);
  const size_t num_pairs = bf16_num_pairs(num_columns);
  pairs_.resize(std::max(pairs_.size(), num_tokens * num_pairs));
  for (int t = 0; t < num_tokens; ++t) {
    uint32_t* row = &pairs_[t * num_pairs];
    row[num_pairs - 1] = 0;
    kernel.round_bf16(x + t * x_stride, num_columns, reinterpret_cast<uint16_t*>(row));
  }
}

}  // namespace switchyard
