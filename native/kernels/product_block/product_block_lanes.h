// The vector form: int32 lanes over output rows, a tile of tokens for each load of codes. Included by product_block_avx2.cc and
// product_block_avx512vnni.cc behind their BlockSums, which one block of one group and token is summed in.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/lanes/product_tiles.h"
#include "kernels/product/tree_sum.h"
#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

/// What one group has for one block: the scales of its sums, and its minimum.
template <PackedType kType>
struct BlockScales {
  static constexpr BlockForm kForm = block_form(kType);

  Lanes scale[kForm.block_sums()];
  Lanes minimum;

  static BlockScales load(const uint8_t* group_scales, int block_idx) {
    const uint8_t* unit = group_scales + block_idx / kForm.unit_blocks() * kForm.scale_bytes();
    BlockScales scales;
    const Lanes whole = load_halves(unit);
    if constexpr (kForm.has_minimum) scales.minimum = load_halves(unit + kGroupRows * 2);
    if constexpr (!kForm.has_small_scales()) {
      scales.scale[0] = whole;
    } else {
      const int block = block_idx % kForm.unit_blocks();
      const uint8_t* small = unit + kGroupRows * (kForm.has_minimum ? 4 : 2);
      for (int i = 0; i < kForm.block_sums(); ++i)
        scales.scale[i] = Lanes::mul(whole, load_small(small + (block * kForm.block_sums() + i) * kGroupRows));
      const uint8_t* small_minima = small + kGroupRows * kForm.num_small_scales();
      if constexpr (kForm.has_minimum)
        scales.minimum =
            Lanes::mul(Lanes::sub(Lanes::zero(), scales.minimum), load_small(small_minima + block * kGroupRows));
    }
    return scales;
  }
};

inline int32_t load_quad(const int8_t* q) {
  int32_t quad;
  std::memcpy(&quad, q, sizeof(quad));
  return quad;
}

/// acc [NumTokens] and sum kSum of one block; x: the block of each token, side by side.
template <PackedType kType, int NumTokens, int kSum>
inline void add_sum(const uint8_t* codes, Lanes scale, const ActivationBlock* x, Lanes* acc, size_t acc_stride) {
  constexpr BlockForm kForm = block_form(kType);
  constexpr int kSumQuads = kBlockQuads / kForm.block_sums();
  using Sums = BlockSums<kForm.num_bits>;
  Sums sums[NumTokens];
  for (int t = 0; t < NumTokens; ++t) sums[t] = Sums::begin(x[t].start[kSum]);
#pragma GCC unroll 8
  for (int quad = kSum * kSumQuads; quad < (kSum + 1) * kSumQuads; ++quad) {
    const auto w = Sums::load_codes(codes, quad);
    for (int t = 0; t < NumTokens; ++t) sums[t].add_products(quad, w, load_quad(x[t].q + quad * 4));
  }
  for (int t = 0; t < NumTokens; ++t) {
    const Lanes scale_of_both = Lanes::mul(scale, Lanes::broadcast(x[t].scale));
    acc[t * acc_stride] = Lanes::fma(sums[t].to_float(), scale_of_both, acc[t * acc_stride]);
  }
}

/// acc [NumTokens] and one more block.
template <PackedType kType, int NumTokens>
inline void add_block(const uint8_t* codes, const BlockScales<kType>& scales, const ActivationBlock* x, Lanes* acc,
                      size_t acc_stride) {
  constexpr BlockForm kForm = block_form(kType);
  add_sum<kType, NumTokens, 0>(codes, scales.scale[0], x, acc, acc_stride);
  if constexpr (kForm.block_sums() == 2) add_sum<kType, NumTokens, 1>(codes, scales.scale[1], x, acc, acc_stride);
  if constexpr (kForm.has_minimum) {
    for (int t = 0; t < NumTokens; ++t)
      acc[t * acc_stride] = Lanes::fma(scales.minimum, Lanes::broadcast(x[t].scaled_sum), acc[t * acc_stride]);
  }
}

template <PackedType kType, int NumTokens, int NumGroups>
void run_block_tile(const BlockProductArgs& args, int first_group, int first_token) {
  constexpr BlockForm kForm = block_form(kType);
  const size_t group_codes = args.num_blocks * kForm.code_bytes();
  const size_t group_scales = args.num_blocks / kForm.unit_blocks() * kForm.scale_bytes();
  const uint8_t* codes = args.codes + first_group * group_codes;
  const uint8_t* scales = args.scales + first_group * group_scales;
  const ActivationBlock* x = args.blocks + activation_index(first_token, args.num_blocks);
  const size_t x_stride = activation_stride(first_token, args.num_tokens);
  const int slice_blocks = args.num_blocks / args.num_slices;
  Lanes slices[kMaxSlices][NumTokens][NumGroups];
  for (int s = 0; s < args.num_slices; ++s) {
    Lanes acc[NumTokens][NumGroups];
    for (int t = 0; t < NumTokens; ++t) {
      for (int g = 0; g < NumGroups; ++g) acc[t][g] = Lanes::zero();
    }
    for (int b = s * slice_blocks; b < (s + 1) * slice_blocks; ++b) {
      for (int g = 0; g < NumGroups; ++g) {
        const auto block_scales = BlockScales<kType>::load(scales + g * group_scales, b);
        add_block<kType, NumTokens>(codes + g * group_codes + b * kForm.code_bytes(), block_scales, x + b * x_stride,
                                    &acc[0][g], NumGroups);
      }
    }
    std::memcpy(slices[s], acc, sizeof(acc));
  }
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) {
      const Lanes y = tree_sum(&slices[0][t][g], NumTokens * NumGroups, args.num_slices, Lanes::add);
      store_group(y, first_group + g, args.num_rows, args.y + (first_token + t) * args.y_stride);
    }
  }
}

template <PackedType kType>
void run_product_block_of(const BlockProductArgs& args) {
  using Sums = BlockSums<block_form(kType).num_bits>;
  constexpr size_t kBandBytes = size_t{1} << 19;  // of an L2 cache, whose rest is for a tile of activations
  const size_t group_bytes = args.num_blocks * block_form(kType).code_bytes();
  const int band_groups = static_cast<int>(std::clamp<size_t>(kBandBytes / group_bytes, kBandGroups, 256));
  run_tiles<Sums::kTileTokens, Sums::kTileSums>(args.num_rows, args.num_tokens, band_groups,
                                                [&]<int kNumTokens, int kNumGroups>(int first_group, int first_token) {
                                                  run_block_tile<kType, kNumTokens, kNumGroups>(args, first_group,
                                                                                                first_token);
                                                });
}

void run_product_block(const BlockProductArgs& args) {
  switch (args.type) {
    case PackedType::kQ4_0:
      return run_product_block_of<PackedType::kQ4_0>(args);
    case PackedType::kQ4_1:
      return run_product_block_of<PackedType::kQ4_1>(args);
    case PackedType::kQ5_0:
      return run_product_block_of<PackedType::kQ5_0>(args);
    case PackedType::kQ5_1:
      return run_product_block_of<PackedType::kQ5_1>(args);
    case PackedType::kQ4_K:
      return run_product_block_of<PackedType::kQ4_K>(args);
    case PackedType::kQ5_K:
      return run_product_block_of<PackedType::kQ5_K>(args);
    case PackedType::kQ6_K:
      return run_product_block_of<PackedType::kQ6_K>(args);
    default:
      return run_product_block_of<PackedType::kQ8_0>(args);
  }
}

}  // namespace
}  // namespace switchyard
