// The INT8 product of policy `w8a8` (docs/numerics.md, "INT8 products"): y[t][o] = float(sum_k q_w[o][k] * q_x[t][k]) * (s_w[o] * s_x[t]),
// INT8 weights with a scale a row, INT8 activations with a scale a token. Called by product() for a PackedMatrix of that form.
// Sums are exact in int32, so their order is free; the bits depend neither on num_tokens nor on the instruction set.
//
// Weights lie in groups of 16 rows, `[group][quad][16][4]`: a quad is four neighbouring columns, as `vpdpbusd` takes them. A byte is
// q + 128, because that instruction multiplies unsigned by signed numbers: what it adds too much, 128 * sum_k q_x, is taken off first.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace switchyard {

inline constexpr int kInt8GroupRows = 16;
inline constexpr int kInt8QuadColumns = 4;
inline constexpr size_t kInt8QuadBytes = kInt8GroupRows * kInt8QuadColumns;
inline constexpr uint8_t kInt8Zero = 128;  // the byte of q = 0

/// Wider rows could leave int32: |q_w| <= 128, |q_x| <= 127.
inline constexpr int kInt8ColumnsMax = INT32_MAX / (128 * 127);

constexpr size_t int8_num_quads(int num_columns) {
  return (static_cast<size_t>(num_columns) + kInt8QuadColumns - 1) / kInt8QuadColumns;
}

/// One token's activations but for the numbers themselves.
struct Int8Row {
  float scale;
  int32_t sum;  // of all q
};

/// A range of groups is a product of its own: weights, weight_scales, y and num_rows moved to it.
struct Int8ProductArgs {
  const uint8_t* weights;      // [num_groups][num_quads][16][4], q + 128
  const float* weight_scales;  // [num_groups][16]
  int num_rows;
  size_t num_quads;     // of columns; at most those of kInt8ColumnsMax
  const int8_t* x;      // [num_tokens][num_quads][4], -127..127, zero behind the last column
  const Int8Row* rows;  // [num_tokens]
  float* y;             // [num_tokens][num_rows], rows y_stride apart
  size_t y_stride;
  int num_tokens;
};

void product_int8_ref(const Int8ProductArgs& args);
void product_int8_avx2(const Int8ProductArgs& args);
void product_int8_avxvnni(const Int8ProductArgs& args);
void product_int8_avx512vnni(const Int8ProductArgs& args);

/// Activations as INT8, a scale a token (base/quantize_row.h). One thread's; keeps its memory, so that later and smaller ones allocate
/// nothing.
class Int8Activations {
 public:
  /// Room for rows that are to be quantised or set.
  void resize(int num_columns, int num_tokens);
  /// Rows [first_token, end_token). x: [num_tokens][num_columns], rows x_stride apart.
  void quantize(const float* x, size_t x_stride, int first_token, int end_token);
  /// row: num_columns int8 and their scale, as base/quantize_row.h stores them.
  void set_row(int token, const std::byte* row);

  const int8_t* values() const { return values_.data(); }
  const Int8Row* rows() const { return rows_.data(); }

 private:
  /// Fills what lies behind the last column, and sums up.
  void finish_row(int token);

  int num_columns_ = 0;
  std::vector<int8_t> values_;  // [num_tokens][num_quads][4]
  std::vector<Int8Row> rows_;   // [num_tokens]
};

}  // namespace switchyard
