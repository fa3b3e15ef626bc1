// The vector form: lanes over output rows, a tile of tokens for each load of weights. Included by product_avx2.cc and product_avx512.cc
// behind their `Tile`. A tile is NumTokens rows of x by NumGroups groups of 16 outputs: its accumulators are independent chains that hide the
// latency of fma, and must all fit in registers beside the weights and one broadcast.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/product/product.h"

namespace switchyard {
namespace {

template <typename Weight>
struct Operands {
  const Weight* weights;  // of the tile's first group
  size_t group_stride;    // elements from one group to the next
  const float* x;         // of the tile's first token
  size_t x_stride;
};

template <int NumTokens, int NumGroups, typename Weight>
void sum_slice(const Operands<Weight>& in, int first, int end, Lanes (&slice)[NumTokens][NumGroups]) {
  Lanes sum[NumTokens][NumGroups];  // in registers, as `slice` would not be
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) sum[t][g] = Lanes::zero();
  }
  for (int k = first; k < end; ++k) {
    Lanes w[NumGroups];
    for (int g = 0; g < NumGroups; ++g)
      w[g] = Lanes::load(in.weights + g * in.group_stride + static_cast<size_t>(k) * kGroupRows);
    for (int t = 0; t < NumTokens; ++t) {
      const Lanes x = Lanes::broadcast(in.x[t * in.x_stride + k]);
      for (int g = 0; g < NumGroups; ++g) sum[t][g] = Lanes::fma(w[g], x, sum[t][g]);
    }
  }
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) slice[t][g] = sum[t][g];
  }
}

/// Left subtree: the largest power of two below count.
inline Lanes tree_sum(const Lanes* values, size_t stride, int count) {
  if (count == 1) return values[0];
  int left = 1;
  while (left * 2 < count) left *= 2;
  return Lanes::add(tree_sum(values, stride, left), tree_sum(values + left * stride, stride, count - left));
}

template <int NumTokens, int NumGroups, typename Weight>
void run_tile(const ProductArgs& args, int first_group, int first_token) {
  const size_t group_stride = static_cast<size_t>(args.num_columns) * kGroupRows;
  const Operands<Weight> in{static_cast<const Weight*>(args.weights) + first_group * group_stride, group_stride,
                            args.x + first_token * args.x_stride, args.x_stride};
  const int slice_columns = args.num_columns / args.num_slices;
  Lanes slices[kMaxSlices][NumTokens][NumGroups];
  for (int s = 0; s < args.num_slices; ++s) {
    sum_slice<NumTokens, NumGroups, Weight>(in, s * slice_columns, (s + 1) * slice_columns, slices[s]);
  }
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) {
      const Lanes y = tree_sum(&slices[0][t][g], NumTokens * NumGroups, args.num_slices);
      const int row = (first_group + g) * kGroupRows;
      float* out = args.y + (first_token + t) * args.y_stride + row;
      if (row + kGroupRows <= args.num_rows) {
        y.store(out);
      } else {
        y.store_first(out, args.num_rows - row);
      }
    }
  }
}

constexpr int kBandGroups = 4;  // groups whose weights stay in the nearest cache while all tokens pass

template <int NumTokens, typename Weight>
void run_groups(const ProductArgs& args, int first_group, int num_groups, int first_token) {
  constexpr int kWide = std::clamp(std::bit_floor(Tile::kSums / unsigned(NumTokens)), 1u, unsigned(kBandGroups));
  int g = 0;
  for (; g + kWide <= num_groups; g += kWide) run_tile<NumTokens, kWide, Weight>(args, first_group + g, first_token);
  for (; g < num_groups; ++g) run_tile<NumTokens, 1, Weight>(args, first_group + g, first_token);
}

/// Tokens [first_token, num_tokens) in tiles of NumTokens, the rest in the next smaller powers of two.
template <int NumTokens, typename Weight>
void run_tokens(const ProductArgs& args, int first_group, int num_groups, int first_token) {
  for (; first_token + NumTokens <= args.num_tokens; first_token += NumTokens)
    run_groups<NumTokens, Weight>(args, first_group, num_groups, first_token);
  if constexpr (NumTokens > 1)
    run_tokens<std::bit_floor(NumTokens - 1u), Weight>(args, first_group, num_groups, first_token);
}

template <typename Weight>
void run_product(const ProductArgs& args) {
  const int num_groups = (args.num_rows + kGroupRows - 1) / kGroupRows;
  for (int band = 0; band < num_groups; band += kBandGroups)
    run_tokens<Tile::kTokens, Weight>(args, band, std::min(num_groups - band, kBandGroups), 0);
}

void run_product_of_any_weight(const ProductArgs& args) {
  if (args.is_bf16) {
    run_product<uint16_t>(args);
  } else {
    run_product<float>(args);
  }
}

}  // namespace
}  // namespace switchyard
