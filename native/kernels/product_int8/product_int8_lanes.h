// The vector form: int32 lanes over output rows, a tile of tokens for each load of weights. Included by product_int8_avx2.cc and
// product_int8_avx512vnni.cc behind their `Int8Lanes`, the sums of one group and one token.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/product_int8/product_int8.h"

namespace switchyard {
namespace {

inline int32_t load_quad(const int8_t* x) {
  int32_t quad;
  std::memcpy(&quad, x, sizeof(quad));
  return quad;
}

template <int NumTokens, int NumGroups>
void run_tile(const Int8ProductArgs& args, int first_group, int first_token) {
  constexpr size_t kQuadBytes = kInt8GroupRows * kInt8QuadColumns;
  const size_t group_bytes = args.num_quads * kQuadBytes;
  const size_t row_bytes = args.num_quads * kInt8QuadColumns;
  const uint8_t* weights = args.weights + first_group * group_bytes;
  const int8_t* x = args.x + first_token * row_bytes;
  const Int8Row* rows = args.rows + first_token;
  Int8Lanes sums[NumTokens][NumGroups];
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) sums[t][g] = Int8Lanes::start(rows[t].sum);
  }
  for (size_t quad = 0; quad < args.num_quads; ++quad) {
    for (int g = 0; g < NumGroups; ++g) {
      const auto w = Int8Lanes::load_weights(weights + g * group_bytes + quad * kQuadBytes);
      for (int t = 0; t < NumTokens; ++t) sums[t][g].add_products(w, load_quad(x + t * row_bytes + quad * 4));
    }
  }
  for (int g = 0; g < NumGroups; ++g) {
    const int row = (first_group + g) * kInt8GroupRows;
    const Lanes weight_scales = Lanes::load(args.weight_scales + row);
    for (int t = 0; t < NumTokens; ++t) {
      const Lanes scales = Lanes::mul(weight_scales, Lanes::broadcast(rows[t].scale));
      const Lanes y = Lanes::mul(sums[t][g].to_float(), scales);
      float* out = args.y + (first_token + t) * args.y_stride + row;
      if (row + kInt8GroupRows <= args.num_rows) {
        y.store(out);
      } else {
        y.store_first(out, args.num_rows - row);
      }
    }
  }
}

constexpr int kBandGroups = 4;  // groups whose weights stay in a near cache while all tokens pass

template <int NumTokens>
void run_groups(const Int8ProductArgs& args, int first_group, int num_groups, int first_token) {
  constexpr int kWide = std::clamp(Int8Lanes::kTileSums / NumTokens, 1, kBandGroups);
  int g = 0;
  for (; g + kWide <= num_groups; g += kWide) run_tile<NumTokens, kWide>(args, first_group + g, first_token);
  for (; g < num_groups; ++g) run_tile<NumTokens, 1>(args, first_group + g, first_token);
}

/// Tokens [first_token, num_tokens) in tiles of NumTokens, the rest in halves of that.
template <int NumTokens>
void run_tokens(const Int8ProductArgs& args, int first_group, int num_groups, int first_token) {
  for (; first_token + NumTokens <= args.num_tokens; first_token += NumTokens)
    run_groups<NumTokens>(args, first_group, num_groups, first_token);
  if constexpr (NumTokens > 1) run_tokens<NumTokens / 2>(args, first_group, num_groups, first_token);
}

void run_product_int8(const Int8ProductArgs& args) {
  const int num_groups = (args.num_rows + kInt8GroupRows - 1) / kInt8GroupRows;
  for (int band = 0; band < num_groups; band += kBandGroups)
    run_tokens<Int8Lanes::kTileTokens>(args, band, num_groups - band < kBandGroups ? num_groups - band : kBandGroups,
                                       0);
}

}  // namespace
}  // namespace switchyard
