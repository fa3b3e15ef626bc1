// The vector form: int32 lanes over output rows, a tile of tokens for each load of codes. Included by product_block_<set>.cc behind
// its BlockSums, which one block of one group and token is summed in.
#pragma once

#include <cstring>

#include "kernels/lanes/product_tiles.h"
#include "kernels/product/tree_sum.h"
#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

/// The small number `idx` (of scales, then of minima) of a unit of a K type.
template <BlockForm kForm>
Lanes small_at(const uint8_t* unit, int idx) {
  const uint8_t* numbers = unit + kGroupRows * ((kForm.has_minimum ? 4 : 2) + idx);
  return Lanes::load(reinterpret_cast<const int8_t*>(numbers));
}

/// One group's scale of sum `sum` of a block.
template <BlockForm kForm>
Lanes load_scale(const uint8_t* unit, int block, int sum) {
  const Lanes whole = Lanes::load_fp16(unit);
  if constexpr (!kForm.has_small_scales()) return whole;
  return Lanes::mul(whole, small_at<kForm>(unit, block * kForm.block_sums() + sum));
}

/// One group's minimum of a block.
template <BlockForm kForm>
Lanes load_minimum(const uint8_t* unit, int block) {
  const Lanes whole = Lanes::load_fp16(unit + kGroupRows * 2);
  if constexpr (!kForm.has_small_scales()) return whole;
  return Lanes::mul(Lanes::sub(Lanes::zero(), whole), small_at<kForm>(unit, kForm.num_small_scales() + block));
}

/// One block of some groups as it is stored: of the first one, and how far the next one's lies.
template <BlockForm kForm>
struct StoredBlock {
  using Sums = BlockSums<kForm.num_bits>;

  const uint8_t* codes;
  size_t codes_stride;
  const uint8_t* unit;  // the scales of the block's unit
  size_t unit_stride;
  int block;  // of the unit

  Sums begin(int, const auto& start) const { return Sums::begin(start); }
  typename Sums::Codes load_codes(int group, int quad) const {
    return Sums::load_codes(codes + group * codes_stride, quad);
  }
  Lanes scale(int group, int sum) const { return load_scale<kForm>(unit + group * unit_stride, block, sum); }
  Lanes minimum(int group) const { return load_minimum<kForm>(unit + group * unit_stride, block); }
};

/// acc [NumTokens][NumGroups] and sum kSum of one block; x: the block of each token, side by side.
template <BlockForm kForm, int kSum, int NumTokens, int NumGroups, class Block, class TokenBlock>
inline void add_sum(const Block& w, const TokenBlock* x, Lanes* acc, int acc_stride) {
  constexpr int kSumQuads = kBlockQuads / kForm.block_sums();
  using Sums = typename Block::Sums;
  Sums sums[NumTokens][NumGroups];
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) sums[t][g] = w.begin(g, start_of(x[t], kSum));
  }
#pragma GCC unroll 8
  for (int quad = 0; quad < kSumQuads; ++quad) {
    constexpr int kFirst = kSum * kSumQuads;
    typename Sums::Codes codes[NumGroups];
    for (int g = 0; g < NumGroups; ++g) codes[g] = w.load_codes(g, kFirst + quad);
#pragma GCC unroll 8
    for (int t = 0; t < NumTokens; ++t) {
      const auto quad_of_x = quad_of(x[t], kFirst + quad);
      for (int g = 0; g < NumGroups; ++g) sums[t][g].add_products(quad, codes[g], quad_of_x);
    }
  }
  for (int g = 0; g < NumGroups; ++g) {
    const Lanes scale = w.scale(g, kSum);
    for (int t = 0; t < NumTokens; ++t) {
      const Lanes scale_of_both = Lanes::mul(scale, Lanes::broadcast(x[t].scale));
      Lanes& to = acc[t * acc_stride + g];
      to = Lanes::fma(sums[t][g].to_float(), scale_of_both, to);
    }
  }
}

/// acc [NumTokens][NumGroups] and one more block.
template <BlockForm kForm, int NumTokens, int NumGroups, class Block, class TokenBlock>
inline void add_block(const Block& w, const TokenBlock* x, Lanes* acc, int acc_stride) {
  add_sum<kForm, 0, NumTokens, NumGroups>(w, x, acc, acc_stride);
  if constexpr (kForm.block_sums() == 2) add_sum<kForm, 1, NumTokens, NumGroups>(w, x, acc, acc_stride);
  if constexpr (kForm.has_minimum) {
    for (int g = 0; g < NumGroups; ++g) {
      const Lanes minimum = w.minimum(g);
      for (int t = 0; t < NumTokens; ++t) {
        Lanes& to = acc[t * acc_stride + g];
        to = Lanes::fma(minimum, Lanes::broadcast(x[t].scaled_sum), to);
      }
    }
  }
}

/// Fetches block `block` of each group into the first cache while another one is multiplied. By itself a processor begins to read only what
/// its window of instructions reaches: with few tokens, whose time is that of memory, hardly a block ahead.
template <BlockForm kForm, int NumGroups>
inline void fetch_block(const uint8_t* codes, size_t codes_stride, const uint8_t* scales, size_t scales_stride,
                        size_t block) {
  constexpr size_t kLineBytes = 64;
  codes += block * kForm.code_bytes();
  scales += block * kForm.scale_bytes() / kForm.unit_blocks();
  for (int g = 0; g < NumGroups; ++g) {
    for (size_t i = 0; i < kForm.code_bytes(); i += kLineBytes) __builtin_prefetch(codes + g * codes_stride + i, 0, 3);
    __builtin_prefetch(scales + g * scales_stride, 0, 3);
  }
}

template <PackedType kType, int NumTokens, int NumGroups>
void run_block_tile(const BlockProductArgs& args, int first_group, int first_token) {
  constexpr BlockForm kForm = block_form(kType);
  using Sums = BlockSums<kForm.num_bits>;
  // Whose sums are in registers at once.
  constexpr int kTogether = tile_groups(NumTokens, Sums::kSumsTogether, NumGroups);
  const size_t group_codes = args.num_blocks * kForm.code_bytes();
  const size_t group_scales = args.num_blocks / kForm.unit_blocks() * kForm.scale_bytes();
  const uint8_t* codes = args.codes + first_group * group_codes;
  const uint8_t* scales = args.scales + first_group * group_scales;
  const ActivationBlock* x = args.blocks + activation_index(first_token, args.num_blocks);
  const size_t x_stride = activation_stride(first_token, args.num_tokens);
  auto ahead =
      WeightsAhead::of_tile<NumTokens, NumGroups>(args.codes, group_codes, groups_of(args.num_rows), args.num_tokens,
                                                  first_group, first_token, args.num_blocks * (NumGroups / kTogether));
  const bool is_alone = NumTokens == args.num_tokens;  // WeightsAhead then fetches nothing
  const int slice_blocks = args.num_blocks / args.num_slices;
  typename Sums::template Tokens<NumTokens> tokens;
  Lanes slices[kMaxSlices][NumTokens][NumGroups];
  for (int s = 0; s < args.num_slices; ++s) {
    Lanes acc[NumTokens][NumGroups];
    for (int t = 0; t < NumTokens; ++t) {
      for (int g = 0; g < NumGroups; ++g) acc[t][g] = Lanes::zero();
    }
    for (int b = s * slice_blocks; b < (s + 1) * slice_blocks; ++b) {
      const uint8_t* block_codes = codes + b * kForm.code_bytes();
      // Behind the last ones are another group's.
      if (is_alone)
        fetch_block<kForm, NumGroups>(codes, group_codes, scales, group_scales, b + Sums::blocks_ahead(NumTokens));
      const uint8_t* unit = scales + b / kForm.unit_blocks() * kForm.scale_bytes();
      const auto* blocks = tokens.take(x + b * x_stride);
      for (int g = 0; g < NumGroups; g += kTogether) {
        ahead.fetch();
        const StoredBlock<kForm> w{block_codes + g * group_codes, group_codes, unit + g * group_scales, group_scales,
                                   b % kForm.unit_blocks()};
        add_block<kForm, NumTokens, kTogether>(w, blocks, &acc[0][g], NumGroups);
      }
    }
    std::memcpy(slices[s], acc, sizeof(acc));
  }
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) {
      const Lanes& y = tree_sum(&slices[0][t][g], NumTokens * NumGroups, args.num_slices, Lanes::add);
      store_group(y, first_group + g, args.num_rows, args.y + (first_token + t) * args.y_stride);
    }
  }
}

template <PackedType kType>
void run_product_block_of(const BlockProductArgs& args) {
  using Sums = BlockSums<block_form(kType).num_bits>;
  static_assert(kActivationTile % Sums::kTileTokens == 0, "a tile's tokens lie side by side");
  run_tiles<Sums>(args.num_rows, args.num_tokens,
                  [&]<int kNumTokens, int kNumGroups>(int first_group, int first_token) {
                    run_block_tile<kType, kNumTokens, kNumGroups>(args, first_group, first_token);
                  });
}

/// run<type>() for the one that `type` is.
template <class Run>
void with_block_type(PackedType type, const Run& run) {
  switch (type) {
    case PackedType::kQ4_0:
      return run.template operator()<PackedType::kQ4_0>();
    case PackedType::kQ4_1:
      return run.template operator()<PackedType::kQ4_1>();
    case PackedType::kQ5_0:
      return run.template operator()<PackedType::kQ5_0>();
    case PackedType::kQ5_1:
      return run.template operator()<PackedType::kQ5_1>();
    case PackedType::kQ4_K:
      return run.template operator()<PackedType::kQ4_K>();
    case PackedType::kQ5_K:
      return run.template operator()<PackedType::kQ5_K>();
    case PackedType::kQ6_K:
      return run.template operator()<PackedType::kQ6_K>();
    default:
      return run.template operator()<PackedType::kQ8_0>();
  }
}

}  // namespace
}  // namespace switchyard
