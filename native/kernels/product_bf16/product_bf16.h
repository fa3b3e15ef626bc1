// The product of policy `bf16` (docs/numerics.md, "bf16 products"): weights and activations in bf16, sums in fp32 as `vdpbf16ps` adds them.
// Called by product() for a PackedMatrix of that form. A result's bits depend neither on num_tokens nor on the instruction set.
//
// A step takes two neighbouring columns 2j and 2j + 1: sum = fma0(w[2j + 1], x[2j + 1], sum), then sum = fma0(w[2j], x[2j], sum); fma0 is
// fma where a denormal operand counts as zero and a result below 2^-126 (rounded as if exponents had no end) becomes zero, signs kept.
// Weights lie in groups of 16 rows, `[group][pair][16][2]`, so that a pair of x serves sixteen rows.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace switchyard {

constexpr int bf16_num_pairs(int num_columns) { return (num_columns + 1) / 2; }

/// A range of groups is a product of its own, as in product_int8.h.
struct Bf16ProductArgs {
  const void* weights;  // bf16 [num_groups][num_pairs][16][2]
  int num_rows;
  int num_pairs;      // of columns
  int num_slices;     // divides num_pairs, 1..kMaxSlices
  const uint32_t* x;  // [num_tokens][num_pairs], the even column in the low half; zero behind the last column
  float* y;           // [num_tokens][num_rows], rows y_stride apart
  size_t y_stride;
  int num_tokens;
};

void product_bf16_ref(const Bf16ProductArgs& args);
void product_bf16_avx2(const Bf16ProductArgs& args);
void product_bf16_avx512(const Bf16ProductArgs& args);
void product_bf16_avx512bf16(const Bf16ProductArgs& args);

/// Activations rounded to bf16, to nearest even (base/quantize_row.h). One thread's; keeps its memory.
class Bf16Activations {
 public:
  /// Room for rows that are to be rounded.
  void resize(int num_columns, int num_tokens);
  /// Rows [first_token, end_token). x: [num_tokens][num_columns], rows x_stride apart.
  void round(const float* x, size_t x_stride, int first_token, int end_token);

  const uint32_t* pairs() const { return pairs_.data(); }

 private:
  int num_columns_ = 0;
  std::vector<uint32_t> pairs_;  // [num_tokens][num_pairs]
};

}  // namespace switchyard
