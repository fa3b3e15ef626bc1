// The vector form: int32 lanes over output rows, a tile of tokens for each load of weights. Included by product_int8_avx2.cc and
// product_int8_avx512vnni.cc behind their `Int8Lanes`, the sums of one group and one token.
#pragma once

#include <cstring>

#include "kernels/lanes/product_tiles.h"
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
  constexpr size_t kStepQuads = 8;  // between two looks ahead
  constexpr size_t kQuadBytes = kInt8GroupRows * kInt8QuadColumns;
  const size_t group_bytes = args.num_quads * kQuadBytes;
  const size_t row_bytes = args.num_quads * kInt8QuadColumns;
  const uint8_t* weights = args.weights + first_group * group_bytes;
  const int8_t* x = args.x + first_token * row_bytes;
  const Int8Row* rows = args.rows + first_token;
  auto ahead = WeightsAhead::of_tile<NumTokens, NumGroups>(args.weights, group_bytes, groups_of(args.num_rows),
                                                           args.num_tokens, first_group, first_token,
                                                           (args.num_quads + kStepQuads - 1) / kStepQuads);
  Int8Lanes sums[NumTokens][NumGroups];
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) sums[t][g] = Int8Lanes::start(rows[t].sum);
  }
  for (size_t step = 0; step < args.num_quads; step += kStepQuads) {
    ahead.fetch();
    const size_t end = std::min(step + kStepQuads, args.num_quads);
    for (size_t quad = step; quad < end; ++quad) {
      Int8Lanes::Weights w[NumGroups];
      for (int g = 0; g < NumGroups; ++g) w[g] = Int8Lanes::load_weights(weights + g * group_bytes + quad * kQuadBytes);
      for (int t = 0; t < NumTokens; ++t) {
        const int32_t quad_of_x = load_quad(x + t * row_bytes + quad * 4);
        for (int g = 0; g < NumGroups; ++g) sums[t][g].add_products(w[g], quad_of_x);
      }
    }
  }
  for (int g = 0; g < NumGroups; ++g) {
    const Lanes weight_scales = Lanes::load(args.weight_scales + (first_group + g) * kInt8GroupRows);
    for (int t = 0; t < NumTokens; ++t) {
      const Lanes scales = Lanes::mul(weight_scales, Lanes::broadcast(rows[t].scale));
      const Lanes y = Lanes::mul(sums[t][g].to_float(), scales);
      store_group(y, first_group + g, args.num_rows, args.y + (first_token + t) * args.y_stride);
    }
  }
}

void run_product_int8(const Int8ProductArgs& args) {
  run_tiles<Int8Lanes>(args.num_rows, args.num_tokens,
                       [&]<int kNumTokens, int kNumGroups>(int first_group, int first_token) {
                         run_tile<kNumTokens, kNumGroups>(args, first_group, first_token);
                       });
}

}  // namespace
}  // namespace switchyard
