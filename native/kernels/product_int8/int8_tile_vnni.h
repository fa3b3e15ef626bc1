// The int32 sums of a tile where `vpdpbusd` multiplies; the twin of int8_tile_avx2.h. Include behind one of kernels/lanes/quads_*.h.
#pragma once

#include <algorithm>
#include <cstring>

#include "kernels/lanes/product_tiles.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard {
namespace {

struct Int8Tiles {
  static constexpr int kTileTokens = std::min(QuadSums::kInRegisters, 8);
  static constexpr int kSumsMax = QuadSums::kInRegisters;
  static constexpr int kSumsAlone = 2 * kSumsMax;  // memory is slower still than sums that are not in registers
};

template <int NumTokens, int NumGroups>
class Int8Tile {
 public:
  /// The bytes of the weights are 128 too large.
  Int8Tile(const Int8Row* rows, bool) {
    for (int t = 0; t < NumTokens; ++t) {
      for (int g = 0; g < NumGroups; ++g) sums_[t][g] = QuadSums::begin(-128 * rows[t].sum);
    }
  }

  static constexpr int step_quads() { return kStepQuads; }

  /// How often `ahead` fetches.
  static constexpr size_t num_fetches(size_t num_quads) { return (num_quads + kStepQuads - 1) / kStepQuads; }

  /// num_quads, at most step_quads(), of the groups' weights, group_bytes apart, and of the tokens' x, row_bytes apart.
  void add_products(const uint8_t* weights, size_t group_bytes, const int8_t* x, size_t row_bytes, int num_quads,
                    WeightsAhead* ahead) {
    ahead->fetch();
    for (int quad = 0; quad < num_quads; ++quad) {
      Quads w[NumGroups];
      for (int g = 0; g < NumGroups; ++g) w[g] = Quads::load(weights + g * group_bytes + quad * kInt8QuadBytes);
      for (int t = 0; t < NumTokens; ++t) {
        const int32_t quad_of_x = load_four(x + t * row_bytes + quad * kInt8QuadColumns);
        for (int g = 0; g < NumGroups; ++g) sums_[t][g].add_products(w[g], quad_of_x);
      }
    }
  }

  Lanes to_float(int t, int g) const { return sums_[t][g].to_float(); }

 private:
  static constexpr int kStepQuads = 8;  // between two looks ahead

  static int32_t load_four(const int8_t* bytes) {
    int32_t four;
    std::memcpy(&four, bytes, sizeof(four));
    return four;
  }

  QuadSums sums_[NumTokens][NumGroups];
};

}  // namespace
}  // namespace switchyard
