// The vector form: lanes over output rows, a tile of tokens for each load of weights. Included by product_avx2.cc and product_avx512.cc.
// A tile is NumTokens rows of x by NumGroups groups of 16 outputs: its accumulators are independent chains that hide the latency of fma
// (AVX2 has 16 registers: 6 tokens x 1 group or 1 token x 4 groups, with the weights and one broadcast).
#pragma once

#include "kernels/lanes/product_tiles.h"
#include "kernels/product/product.h"
#include "kernels/product/tree_sum.h"

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
void sum_slice(const Operands<Weight>& in, int first, int end, Lanes (&sum)[NumTokens][NumGroups]) {
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
      const Lanes y = tree_sum(&slices[0][t][g], NumTokens * NumGroups, args.num_slices, Lanes::add);
      store_group(y, first_group + g, args.num_rows, args.y + (first_token + t) * args.y_stride);
    }
  }
}

template <int NumTokens, typename Weight>
void run_groups(const ProductArgs& args, int first_group, int num_groups, int first_token) {
  constexpr int kWide = NumTokens == 1 ? 4 : NumTokens == 2 ? 2 : 1;
  int g = 0;
  for (; g + kWide <= num_groups; g += kWide) run_tile<NumTokens, kWide, Weight>(args, first_group + g, first_token);
  for (; g < num_groups; ++g) run_tile<NumTokens, 1, Weight>(args, first_group + g, first_token);
}

template <typename Weight>
void run_product(const ProductArgs& args) {
  const int num_groups = (args.num_rows + kGroupRows - 1) / kGroupRows;
  for (int band = 0; band < num_groups; band += kBandGroups) {
    const int band_groups = num_groups - band < kBandGroups ? num_groups - band : kBandGroups;
    int t = 0;
    for (; t + 6 <= args.num_tokens; t += 6) run_groups<6, Weight>(args, band, band_groups, t);
    for (; t + 4 <= args.num_tokens; t += 4) run_groups<4, Weight>(args, band, band_groups, t);
    for (; t + 2 <= args.num_tokens; t += 2) run_groups<2, Weight>(args, band, band_groups, t);
    for (; t < args.num_tokens; ++t) run_groups<1, Weight>(args, band, band_groups, t);
  }
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
