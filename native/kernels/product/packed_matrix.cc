// Packing of product.h, and the call through the registry.
#include <cstdlib>
#include <cstring>

#include "kernels/product/product.h"
#include "kernels/registry.h"

namespace switchyard {

void PackedMatrix::Free::operator()(std::byte* p) const { std::free(p); }

PackedMatrix::PackedMatrix(int num_rows, int num_columns, bool is_bf16)
    : num_rows_(num_rows), num_columns_(num_columns), is_bf16_(is_bf16) {
  const size_t element_bytes = is_bf16 ? 2 : 4;
  const size_t bytes = static_cast<size_t>(num_groups()) * num_columns * kGroupRows * element_bytes;
  const size_t rounded = (bytes + 63) / 64 * 64;
  data_.reset(static_cast<std::byte*>(std::aligned_alloc(64, rounded)));
  if (!data_) std::abort();
  std::memset(data_.get(), 0, rounded);
}

void PackedMatrix::set_rows(int first_row, int num_rows, const void* data, Dtype dtype, size_t row_stride,
                            size_t column_stride) {
  if (first_row < 0 || first_row + num_rows > num_rows_ || (is_bf16_ && dtype != Dtype::kBf16)) std::abort();
  for (int i = 0; i < num_rows; ++i) {
    const int row = first_row + i;
    const size_t base = static_cast<size_t>(row / kGroupRows) * num_columns_ * kGroupRows + row % kGroupRows;
    for (int k = 0; k < num_columns_; ++k) {
      const size_t from = i * row_stride + k * column_stride;
      const size_t to = base + static_cast<size_t>(k) * kGroupRows;
      if (is_bf16_) {
        reinterpret_cast<uint16_t*>(data_.get())[to] = static_cast<const uint16_t*>(data)[from];
      } else {
        reinterpret_cast<float*>(data_.get())[to] = widen(data, dtype, from);
      }
    }
  }
}

void product(const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride, int num_tokens,
             int num_slices) {
  kernels().product(
      {w.data(), w.is_bf16(), w.num_rows(), w.num_columns(), num_slices, x, x_stride, y, y_stride, num_tokens});
}

}  // namespace switchyard
