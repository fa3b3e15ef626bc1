// The int32 sums of a tile in AVX-512 registers, one for 16 output rows; the twin of int8_tile_avx2.h, for *_avx512vnni.cc only.
#pragma once

#include <cstring>

#include "kernels/lanes/lanes_avx512.h"
#include "kernels/lanes/product_tiles.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard {
namespace {

struct Int8Tiles {
  static constexpr int kTileTokens = 8;
  static constexpr int kSumsMax = 16;    // of the 32 registers
  static constexpr int kSumsAlone = 32;  // memory is slower still than sums that are not in registers
};

template <int NumTokens, int NumGroups>
class Int8Tile {
 public:
  /// The bytes of the weights are 128 too large.
  Int8Tile(const Int8Row* rows, bool) {
    for (int t = 0; t < NumTokens; ++t) {
      for (int g = 0; g < NumGroups; ++g) sums_[t][g] = _mm512_set1_epi32(-128 * rows[t].sum);
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
      __m512i w[NumGroups];
      for (int g = 0; g < NumGroups; ++g) w[g] = _mm512_loadu_si512(weights + g * group_bytes + quad * kInt8QuadBytes);
      for (int t = 0; t < NumTokens; ++t) {
        const __m512i quad_of_x = broadcast(x + t * row_bytes + quad * kInt8QuadColumns);
        for (int g = 0; g < NumGroups; ++g) sums_[t][g] = _mm512_dpbusd_epi32(sums_[t][g], w[g], quad_of_x);
      }
    }
  }

  Lanes to_float(int t, int g) const { return {_mm512_cvtepi32_ps(sums_[t][g])}; }

 private:
  static constexpr int kStepQuads = 8;  // between two looks ahead

  static __m512i broadcast(const int8_t* four) {
    int32_t quad;
    std::memcpy(&quad, four, sizeof(quad));
    return _mm512_set1_epi32(quad);
  }

  __m512i sums_[NumTokens][NumGroups];
};

}  // namespace
}  // namespace switchyard
