// The vector form: int32 lanes over output rows, a tile of tokens for each load of weights. Included by product_int8_<set>.cc behind
// its `Int8Tile`, the sums of a tile.
#pragma once

#include "kernels/lanes/product_tiles.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard {
namespace {

template <int NumTokens, int NumGroups>
void run_tile(const Int8ProductArgs& args, int first_group, int first_token) {
  using Tile = Int8Tile<NumTokens, NumGroups>;
  const size_t group_bytes = args.num_quads * kInt8QuadBytes;
  const size_t row_bytes = args.num_quads * kInt8QuadColumns;
  const uint8_t* weights = args.weights + first_group * group_bytes;
  const int8_t* x = args.x + first_token * row_bytes;
  const Int8Row* rows = args.rows + first_token;
  auto ahead =
      WeightsAhead::of_tile<NumTokens, NumGroups>(args.weights, group_bytes, groups_of(args.num_rows), args.num_tokens,
                                                  first_group, first_token, Tile::num_fetches(args.num_quads));
  Tile tile(rows, NumTokens == args.num_tokens);
  const size_t step_quads = tile.step_quads();
  for (size_t quad = 0; quad < args.num_quads; quad += step_quads) {
    const int num_quads = static_cast<int>(std::min(step_quads, args.num_quads - quad));
    tile.add_products(weights + quad * kInt8QuadBytes, group_bytes, x + quad * kInt8QuadColumns, row_bytes, num_quads,
                      &ahead);
  }
  for (int g = 0; g < NumGroups; ++g) {
    const Lanes weight_scales = Lanes::load(args.weight_scales + (first_group + g) * kInt8GroupRows);
    for (int t = 0; t < NumTokens; ++t) {
      const Lanes scales = Lanes::mul(weight_scales, Lanes::broadcast(rows[t].scale));
      const Lanes y = Lanes::mul(tile.to_float(t, g), scales);
      store_group(y, first_group + g, args.num_rows, args.y + (first_token + t) * args.y_stride);
    }
  }
}

void run_product_int8(const Int8ProductArgs& args) {
  run_tiles<Int8Tiles>(args.num_rows, args.num_tokens,
                       [&]<int kNumTokens, int kNumGroups>(int first_group, int first_token) {
                         run_tile<kNumTokens, kNumGroups>(args, first_group, first_token);
                       });
}

}  // namespace
}  // namespace switchyard
