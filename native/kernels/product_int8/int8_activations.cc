#include <algorithm>
#include <cstring>
#include <numeric>

#include "base/quantize_row.h"
#include "kernels/product_int8/product_int8.h"
#include "kernels/registry.h"

namespace switchyard {
namespace {

/// Rows of `values` have the numbers of whole quads.
size_t int8_padded(int num_columns) { return int8_num_quads(num_columns) * kInt8QuadColumns; }

}  // namespace

void Int8Activations::resize(int num_columns, int num_tokens) {
  num_columns_ = num_columns;
  values_.resize(std::max(values_.size(), num_tokens * int8_padded(num_columns)));
  rows_.resize(std::max(rows_.size(), static_cast<size_t>(num_tokens)));
}

void Int8Activations::quantize(const float* x, size_t x_stride, int first_token, int end_token) {
  const QuantizeKernels& kernel = quantize_kernels_of(kernels().isa);
  for (int t = first_token; t < end_token; ++t) {
    rows_[t].scale = kernel.from_f32(x + t * x_stride, num_columns_, &values_[t * int8_padded(num_columns_)]);
    finish_row(t);
  }
}

void Int8Activations::set_row(int token, const std::byte* row) {
  std::memcpy(&values_[token * int8_padded(num_columns_)], row, num_columns_);
  rows_[token].scale = int8_row_scale(row, num_columns_);
  finish_row(token);
}

void Int8Activations::finish_row(int token) {
  int8_t* q = &values_[token * int8_padded(num_columns_)];
  std::fill(q + num_columns_, q + int8_padded(num_columns_), int8_t{0});
  rows_[token].sum = std::accumulate(q, q + num_columns_, int32_t{0});
}

}  // namespace switchyard
