// Matrix products with packed weights (docs/numerics.md, "Products"): y[t][o] = sum_k W[o][k] * x[t][k]. INT8 weights go to product_int8,
// pairs of bf16 ones to product_bf16, those in GGUF's blocks to product_block.
// Called by every block of the executor. A result's bits depend neither on num_tokens nor on the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/dtype.h"
#include "kernels/product/packed_type.h"

namespace switchyard {

class Bf16Activations;
class Int8Activations;
struct ActivationBlock;
struct BlockUnit;

/// Bytes of a packed matrix; 0 for one without rows or columns, of more than 2^48 bytes, or whose columns are no whole units of its type.
uint64_t packed_bytes(uint64_t num_rows, uint64_t num_columns, PackedType type);

/// Weights in groups of 16 output rows, zero in lanes beyond num_rows. fp32 and bf16: `[group][k][16]`. Pairs: as product_bf16.h has them.
/// INT8: as product_int8.h has them, and behind all of them their scales, `[group][16]`. Block types: as block_form.h has them, codes before
/// scales. Copies share their weights.
class PackedMatrix {
 public:
  PackedMatrix() = default;

  /// An empty matrix of this shape, to be filled by the setter of its type. num_rows, num_columns > 0; INT8 with at most kInt8ColumnsMax
  /// columns, block types with whole units.
  PackedMatrix(int num_rows, int num_columns, PackedType type);

  /// One that was packed before: num_bytes() bytes on a boundary of 64, with whatever keeps them alive. Not to be filled.
  PackedMatrix(int num_rows, int num_columns, PackedType type, std::shared_ptr<const std::byte> data);

  /// Packs `num_rows` rows into rows first_row..; element (i, k) is data[i * row_stride + k * column_stride] of type dtype.
  /// A bf16 matrix of either type takes bf16 data only; not for INT8 and block types.
  void set_rows(int first_row, int num_rows, const void* data, Dtype dtype, size_t row_stride, size_t column_stride);

  /// Packs rows of an INT8 matrix: data [num_rows][num_columns], scales [num_rows].
  void set_int8_rows(int first_row, int num_rows, const int8_t* data, const float* scales);

  /// Packs one unit of a row of a matrix of a block type, once.
  void set_block_unit(int row, int unit_idx, const BlockUnit& unit);

  int num_rows() const { return num_rows_; }
  int num_columns() const { return num_columns_; }
  int num_groups() const { return (num_rows_ + kGroupRows - 1) / kGroupRows; }
  size_t num_bytes() const { return packed_bytes(num_rows_, num_columns_, type_); }
  PackedType type() const { return type_; }
  bool empty() const { return data_ == nullptr; }
  const void* data() const { return data_.get(); }
  /// Of an INT8 matrix: [num_groups][16].
  const float* scales() const { return reinterpret_cast<const float*>(data_.get() + scales_offset()); }
  /// Of a block type: as block_form.h has them.
  const uint8_t* block_scales() const { return reinterpret_cast<const uint8_t*>(data_.get() + scales_offset()); }

 private:
  size_t scales_offset() const;

  int num_rows_ = 0;
  int num_columns_ = 0;
  PackedType type_ = PackedType::kF32;
  std::shared_ptr<const std::byte> data_;
  std::byte* own_ = nullptr;  // data_ of a matrix that may be filled
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

/// The input of a product, ready for its weights: x as it is, made INT8 by rows or by blocks, or bf16.
struct ProductInput {
  const float* x;  // [num_tokens][num_columns], rows x_stride apart; INT8 weights do not read it
  size_t x_stride;
  int num_tokens;
  const Int8Activations* int8 = nullptr;    // null but for INT8 weights
  const Bf16Activations* bf16 = nullptr;    // null but for pairs of bf16 weights
  const ActivationBlock* blocks = nullptr;  // null but for block types

  bool is_narrow() const { return int8 != nullptr || bf16 != nullptr || blocks != nullptr; }
};

/// Narrow rows lie in memory that the calling thread keeps: they last until its next call.
ProductInput prepare_input(const PackedMatrix& w, const float* x, size_t x_stride, int num_tokens);

/// The outputs of groups [first_group, first_group + num_groups) alone: what one of several threads does of a product. y is where the
/// whole product's first output goes.
void product_groups(const PackedMatrix& w, int first_group, int num_groups, const ProductInput& input, float* y,
                    size_t y_stride, int num_slices);

/// Runs the product on the instruction set in use. INT8 weights make INT8 of x too, and have no use for slices. Block types do so block by
/// block; they and pairs of bf16 have one slice where slices would cut blocks or pairs.
void product(const PackedMatrix& w, const float* x, size_t x_stride, float* y, size_t y_stride, int num_tokens,
             int num_slices = 1);

}  // namespace switchyard
