// Matrix products with packed weights (docs/numerics.md, "Products"): y[t][o] = sum_k W[o][k] * x[t][k].
// Called by every block of the executor. A result's bits depend neither on num_tokens nor on the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/dtype.h"

namespace switchyard {

inline constexpr int kGroupRows = 16;
inline constexpr int kMaxSlices = 8;

/// Weights in groups of 16 output rows, `[group][k][16]`, bf16 when the source is bf16, else fp32. Lanes beyond num_rows hold zero.
/// Copies share their weights.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// An empty matrix of this shape, to be filled by set_rows. num_rows, num_columns > 0.
  PackedMatrix(int num_rows, int num_columns, bool is_bf16);

  /// One that was packed before: num_bytes() bytes on a boundary of 64, with whatever keeps them alive. Not for set_rows.
  PackedMatrix(int num_rows, int num_columns, bool is_bf16, std::shared_ptr<const std::byte> data);

  /// Packs `num_rows` rows into rows first_row..; element (i, k) is data[i * row_stride + k * column_stride] of type dtype.
  /// A bf16 matrix takes bf16 data only.
  void set_rows(int first_row, int num_rows, const void* data, Dtype dtype, size_t row_stride, size_t column_stride);

  int num_rows() const { return num_rows_; }
  int num_columns() const { return num_columns_; }
  int num_groups() const { return (num_rows_ + kGroupRows - 1) / kGroupRows; }
  size_t num_bytes() const { return size_t{kGroupRows} * num_groups() * num_columns_ * (is_bf16_ ? 2 : 4); }
  bool is_bf16() const { return is_bf16_; }
  bool empty() const { return data_ == nullptr; }
  const void* data() const { return data_.get(); }

 private:
  int num_rows_ = 0;
  int num_columns_ = 0;
  bool is_bf16_ = false;
  std::shared_ptr<const std::byte> data_;  // [num_groups][num_columns][16]
  std::byte* own_ = nullptr;               // data_ of a matrix that may be filled
};

struct ProductArgs {
  const void* weights;  // [num_groups][num_columns][16], fp32 or bf16
  bool is_bf16;
  int num_rows;
  int num_columns;
  int num_slices;  // divides num_columns, 1..kMaxSlices
  const float* x;  // [num_tokens][num_columns], rows x_stride apart
  size_t x_stride;
  float* y;  // [num_tokens][num_rows], rows y_stride apart; must not overlap x
  size_t y_stride;
  int num_tokens;
};

void product_ref(const ProductArgs& args);
void product_avx2(const ProductArgs& args);
void product_avx512(const ProductArgs& args);

/// The outputs of groups [first_group, first_group + num_groups) alone: what one of several threads does of a product. y is where the
/// whole product's first output goes.
void product_groups(const PackedMatrix& w, int first_group, int num_groups, const float* x, size_t x_stride, float* y,
                    size_t y_stride, int num_tokens, int num_slices);

/// Runs the product on the instruction set in use.
void product(const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride, int num_tokens,
             int num_slices = 1);

}  // namespace switchyard
