// The block product of many tokens: each block is unpacked once for up to kRangeTokens of them. Include behind one of unpacked_block_*.h.
#pragma once

#include "kernels/product_block/product_block_lanes.h"

namespace switchyard {
namespace {

/// Tokens for which a block is unpacked; the sums of their slices lie on the stack.
inline constexpr int kRangeTokens = 128;
/// Tokens of a tile: with more, scales and minima have no registers left.
inline constexpr int kRangeTileTokens = 4;
/// Unpacked blocks of a group that stay in the first cache while the tokens pass.
inline constexpr int kPartBlocks = 8;

template <BlockForm kForm>
struct UnpackedBlock {
  using Codes = UnpackedCodes<kForm.num_bits>;
  using Sums = typename Codes::Sums;

  Codes codes;
  float scales[kForm.block_sums()][kGroupRows];
  float minima[kGroupRows];

  void unpack(const uint8_t* stored_codes, const uint8_t* unit, int block) {
    codes.unpack(stored_codes);
    for (int i = 0; i < kForm.block_sums(); ++i) load_scale<kForm>(unit, block, i).store(scales[i]);
    if constexpr (kForm.has_minimum) load_minimum<kForm>(unit, block).store(minima);
  }

  Sums begin(int, int32_t start) const { return codes.begin(start); }
  const typename Sums::Codes& load_codes(int, int quad) const { return codes.quads[quad]; }
  Lanes scale(int, int sum) const { return Lanes::load(scales[sum]); }
  Lanes minimum(int) const { return Lanes::load(minima); }
};

/// Blocks [first, first + num_blocks) of a group.
template <BlockForm kForm>
void unpack_part(const uint8_t* codes, const uint8_t* scales, int first, int num_blocks, UnpackedBlock<kForm>* part) {
  for (int i = 0; i < num_blocks; ++i) {
    const int b = first + i;
    const uint8_t* unit = scales + b / kForm.unit_blocks() * kForm.scale_bytes();
    part[i].unpack(codes + b * kForm.code_bytes(), unit, b % kForm.unit_blocks());
  }
}

/// acc [NumTokens] and a part's blocks.
template <BlockForm kForm, int NumTokens>
[[gnu::noinline, gnu::flatten]] void add_part(const UnpackedBlock<kForm>* part, int num_blocks,
                                              const ActivationBlock* x, size_t x_stride, Lanes* acc) {
  for (int b = 0; b < num_blocks; ++b) add_block<kForm, NumTokens, 1>(part[b], x + b * x_stride, acc, 1);
}

/// The outputs of one group for tokens [first_token, end_token), at most kRangeTokens.
template <PackedType kType>
void run_range(const BlockProductArgs& args, int group, int first_token, int end_token) {
  constexpr BlockForm kForm = block_form(kType);
  const size_t group_codes = args.num_blocks * kForm.code_bytes();
  const size_t group_scales = args.num_blocks / kForm.unit_blocks() * kForm.scale_bytes();
  const uint8_t* codes = args.codes + group * group_codes;
  const uint8_t* codes_end = args.codes + groups_of(args.num_rows) * group_codes;
  const int slice_blocks = args.num_blocks / args.num_slices;
  UnpackedBlock<kForm> part[kPartBlocks];
  Lanes slices[kMaxSlices][kRangeTokens];
  for (int s = 0; s < args.num_slices; ++s) {
    std::fill_n(slices[s], end_token - first_token, Lanes::zero());
    const int end = (s + 1) * slice_blocks;
    for (int first = s * slice_blocks; first < end; first += kPartBlocks) {
      const int num_blocks = std::min(kPartBlocks, end - first);
      unpack_part<kForm>(codes, args.scales + group * group_scales, first, num_blocks, part);
      // What is unpacked next lies behind it.
      const uint8_t* next = codes + (first + num_blocks) * kForm.code_bytes();
      const size_t next_bytes = std::min<size_t>(kPartBlocks * kForm.code_bytes(), codes_end - next);
      run_tile_tokens<kRangeTileTokens, 1>(
          group, 1, first_token, end_token, [&]<int kNumTokens, int kNumGroups>(int, int token) {
            const int t = token - first_token;
            WeightsAhead::of_share(next, next_bytes, t, t + kNumTokens, end_token - first_token, 1).fetch();
            const size_t x_stride = activation_stride(token, args.num_tokens);
            const ActivationBlock* x = args.blocks + activation_index(token, args.num_blocks) + first * x_stride;
            add_part<kForm, kNumTokens>(part, num_blocks, x, x_stride, slices[s] + t);
          });
    }
  }
  for (int t = first_token; t < end_token; ++t) {
    const Lanes& y = tree_sum(&slices[0][t - first_token], kRangeTokens, args.num_slices, Lanes::add);
    store_group(y, group, args.num_rows, args.y + t * args.y_stride);
  }
}

/// Unpacks blocks where that pays.
template <PackedType kType>
void run_product_block_of_many(const BlockProductArgs& args) {
  if (args.num_tokens < unpacked_tokens_min(block_form(kType))) return run_product_block_of<kType>(args);
  for (int group = 0; group < groups_of(args.num_rows); ++group) {
    for (int t = 0; t < args.num_tokens; t += kRangeTokens)
      run_range<kType>(args, group, t, std::min(t + kRangeTokens, args.num_tokens));
  }
}

}  // namespace
}  // namespace switchyard
