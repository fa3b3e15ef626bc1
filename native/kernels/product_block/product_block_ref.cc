// The reference: one output at a time, as docs/numerics.md says it.
#include <cmath>
#include <cstring>
#include <functional>

#include "base/dtype.h"
#include "base/quantize_row.h"
#include "kernels/product/tree_sum.h"
#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

float half_at(const uint8_t* halves, int lane) {
  uint16_t bits;
  std::memcpy(&bits, halves + lane * sizeof(bits), sizeof(bits));
  return fp16_to_float(bits);
}

/// The scale of sum i of block `block` (of the unit), of one row.
float scale_at(const BlockForm& form, const uint8_t* unit, int lane, int block, int i) {
  const float scale = half_at(unit, lane);
  if (!form.has_small_scales()) return scale;
  const uint8_t* small = unit + kGroupRows * (form.has_minimum ? 4 : 2);
  const int idx = block * form.block_sums() + i;
  return scale * static_cast<float>(static_cast<int8_t>(small[idx * kGroupRows + lane]));
}

/// What is added for each of a block's columns.
float minimum_at(const BlockForm& form, const uint8_t* unit, int lane, int block) {
  const float minimum = half_at(unit + kGroupRows * 2, lane);
  if (!form.has_small_scales()) return minimum;
  const uint8_t* small = unit + kGroupRows * (4 + form.num_small_scales());
  return (0.0f - minimum) * static_cast<float>(static_cast<int8_t>(small[block * kGroupRows + lane]));
}

/// acc and one more block.
float add_block(const BlockForm& form, const uint8_t* codes, const uint8_t* unit, int lane, int block,
                const ActivationBlock& x, float acc) {
  for (int i = 0; i < form.block_sums(); ++i) {
    int32_t sum = x.start[i];
    for (int k = i * form.sum_columns; k < (i + 1) * form.sum_columns; ++k)
      sum += block_code_at(form, codes, lane, k) * x.q[k];
    acc = std::fma(static_cast<float>(sum), scale_at(form, unit, lane, block, i) * x.scale, acc);
  }
  return form.has_minimum ? std::fma(minimum_at(form, unit, lane, block), x.scaled_sum, acc) : acc;
}

float sum_slice(const BlockProductArgs& args, int row, int t, int slice) {
  const BlockForm form = block_form(args.type);
  const int lane = row % kGroupRows;
  const size_t group = row / kGroupRows;
  const uint8_t* codes = args.codes + group * args.num_blocks * form.code_bytes();
  const uint8_t* units = args.scales + group * (args.num_blocks / form.unit_blocks()) * form.scale_bytes();
  const ActivationBlock* x = args.blocks + activation_index(t, args.num_blocks);
  const int slice_blocks = args.num_blocks / args.num_slices;
  float acc = 0;
  for (int b = slice * slice_blocks; b < (slice + 1) * slice_blocks; ++b) {
    acc = add_block(form, codes + b * form.code_bytes(), units + b / form.unit_blocks() * form.scale_bytes(), lane,
                    b % form.unit_blocks(), x[b * activation_stride(t, args.num_tokens)], acc);
  }
  return acc;
}

}  // namespace

void quantize_blocks_ref(const QuantizeBlocksArgs& args) {
  for (int t = args.first_token; t < args.end_token; ++t) {
    ActivationBlock* block = args.blocks + activation_index(t, args.num_blocks);
    const float* x = args.x + t * args.x_stride;
    for (int b = 0; b < args.num_blocks; ++b, x += kBlockColumns) {
      block->scale = quantize_kernels_of(Isa::kScalar).from_f32(x, kBlockColumns, block->q);
      int32_t halves[2] = {};
      for (int k = 0; k < kBlockColumns; ++k) halves[k / 16] += block->q[k];
      const int32_t sum = halves[0] + halves[1];
      block->scaled_sum = block->scale * static_cast<float>(sum);
      const bool has_halves = args.form.sum_columns == 16;
      block->start[0] = -args.form.zero * (has_halves ? halves[0] : sum);
      block->start[1] = has_halves ? -args.form.zero * halves[1] : 0;
      block += activation_stride(t, args.num_tokens);
    }
  }
}

void product_block_ref(const BlockProductArgs& args) {
  for (int t = 0; t < args.num_tokens; ++t) {
    for (int row = 0; row < args.num_rows; ++row) {
      float slices[kMaxSlices];
      for (int s = 0; s < args.num_slices; ++s) slices[s] = sum_slice(args, row, t, s);
      args.y[t * args.y_stride + row] = tree_sum(slices, 1, args.num_slices, std::plus<>());
    }
  }
}

}  // namespace switchyard
