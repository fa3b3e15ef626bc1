// The vector form of the activations' quantisation. A *_avx2.cc or *_avx512.cc file instantiates it with its registers (`Block`: 32
// numbers), whose quantisation has the bits of base/quantize_row.h.
#pragma once

#include "base/quantize_row_variants.h"
#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

template <class Block>
void quantize_block(const BlockForm& form, const float* x, ActivationBlock* out) {
  const Block numbers = Block::load(x);
  const RowScale row = row_scale(numbers.amax_bits());
  // With a scale of 0 or NaN all q are 0: NaN times 0 would not be.
  int32_t halves[2] = {};
  if (row.inverse == 0) {
    for (int8_t& q : out->q) q = 0;
  } else {
    numbers.quantize(row.inverse, out->q, halves);
  }
  const int32_t sum = halves[0] + halves[1];
  const bool has_halves = form.sum_columns == 16;
  out->scale = row.scale;
  out->scaled_sum = row.scale * static_cast<float>(sum);
  out->start[0] = -form.zero * (has_halves ? halves[0] : sum);
  out->start[1] = has_halves ? -form.zero * halves[1] : 0;
}

template <class Block>
void run_quantize_blocks(const QuantizeBlocksArgs& args) {
  for (int t = args.first_token; t < args.end_token; ++t) {
    ActivationBlock* out = args.blocks + activation_index(t, args.num_blocks);
    const size_t stride = activation_stride(t, args.num_tokens);
    const float* x = args.x + t * args.x_stride;
    for (int b = 0; b < args.num_blocks; ++b) quantize_block<Block>(args.form, x + b * kBlockColumns, out + b * stride);
  }
}

}  // namespace
}  // namespace switchyard
