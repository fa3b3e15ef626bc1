// The product of policy `block-a8` (docs/numerics.md, "Block products"): weights in GGUF's blocks, activations INT8 with a scale a block of
// 32 columns. Called by product() for a PackedMatrix of a block type. Int32 sums are exact, and an output's blocks are added in ascending
// order by fma, so the bits depend neither on num_tokens nor on the instruction set.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/product_block/block_form.h"

namespace switchyard {

/// One block of one token. What the sums of a type begin with makes up for codes that are `zero` too large.
struct ActivationBlock {
  int8_t q[kBlockColumns];
  float scale;
  float scaled_sum;  // scale * float(sum of q)
  int32_t start[2];  // -zero * sum of q, over the block; in types with sums of 16 columns over each of its halves
};
static_assert(sizeof(ActivationBlock) == 48);

/// Tokens whose blocks lie side by side: [tile][block][token of the tile]; the last tile may be narrower.
inline constexpr int kActivationTile = 8;

/// Block 0 of token t among num_tokens; the token's next one lies activation_stride(t, num_tokens) further.
constexpr size_t activation_index(int t, int num_blocks) {
  return static_cast<size_t>(t / kActivationTile) * kActivationTile * num_blocks + t % kActivationTile;
}
constexpr size_t activation_stride(int t, int num_tokens) {
  const int left = num_tokens - t / kActivationTile * kActivationTile;
  return left < kActivationTile ? left : kActivationTile;
}

/// A range of tokens is a quantisation of its own, with the same num_tokens and blocks.
struct QuantizeBlocksArgs {
  BlockForm form;  // of the weights
  const float* x;  // [num_tokens][num_blocks * 32], rows x_stride apart
  size_t x_stride;
  int num_blocks;
  int num_tokens;
  int first_token;
  int end_token;
  ActivationBlock* blocks;  // [num_tokens * num_blocks]
};

void quantize_blocks_ref(const QuantizeBlocksArgs& args);
void quantize_blocks_avx2(const QuantizeBlocksArgs& args);
void quantize_blocks_avx512(const QuantizeBlocksArgs& args);

/// A range of groups is a product of its own: codes, scales, y and num_rows moved to it.
struct BlockProductArgs {
  PackedType type;
  const uint8_t* codes;   // [num_groups][num_blocks][code_bytes]
  const uint8_t* scales;  // [num_groups][num_blocks / unit_blocks][scale_bytes]
  int num_rows;
  int num_blocks;                 // of columns
  int num_slices;                 // divides num_blocks, 1..kMaxSlices
  const ActivationBlock* blocks;  // [num_tokens * num_blocks]
  float* y;                       // [num_tokens][num_rows], rows y_stride apart
  size_t y_stride;
  int num_tokens;
};

void product_block_ref(const BlockProductArgs& args);
void product_block_avx2(const BlockProductArgs& args);
void product_block_avxvnni(const BlockProductArgs& args);
void product_block_avx512vnni(const BlockProductArgs& args);

/// Memory for a product's activations. One thread's; keeps its size, so that later and smaller ones allocate nothing.
class BlockActivations {
 public:
  /// For num_tokens rows of num_blocks blocks; their quantisation is the caller's.
  ActivationBlock* resize(int num_tokens, int num_blocks);

  ActivationBlock* data() { return blocks_.data(); }

 private:
  std::vector<ActivationBlock> blocks_;
};

/// One row of one unit, before it is packed.
struct BlockUnit {
  uint8_t codes[kUnitColumnsMax];
  uint16_t scale;    // fp16
  uint16_t minimum;  // fp16
  int8_t small_scales[16];
  int8_t small_minima[8];
};

/// Bytes of all codes of a matrix, and of all its scales, which lie behind them.
size_t block_code_bytes(int num_rows, int num_columns, PackedType type);
size_t block_scale_bytes(int num_rows, int num_columns, PackedType type);

/// Puts a row's unit in its place among codes that are 0 there.
void pack_block_unit(PackedType type, int num_columns, int row, int unit_idx, const BlockUnit& unit, uint8_t* codes,
                     uint8_t* scales);

/// The code at a place of packed codes; for the reference.
int block_code_at(const BlockForm& form, const uint8_t* block, int lane, int column);

}  // namespace switchyard
