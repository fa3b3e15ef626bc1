// The int32 sums of a tile, pairs of AVX2 registers. NOTE: include only from *_avx2.cc; same members as int8_tile_vnni.h.
//
// Sums lie in memory. A step of the columns is prepared for all groups of the tile; then some groups at a time take it, their sums in
// registers.
#pragma once

#include "kernels/lanes/lanes_avx2.h"
#include "kernels/lanes/product_tiles.h"
#include "kernels/lanes/signed_columns_avx2.h"
#include "kernels/product_int8/product_int8.h"

namespace switchyard {
namespace {

struct Int8Tiles {
  static constexpr int kTileTokens = 4;
  static constexpr int kSumsMax = kTileTokens * kTileGroupsMax;  // all groups of a band
  static constexpr int kSumsAlone = kSumsMax;
};

inline constexpr int kSumsTogether = 4;  // of the 16 registers 8 are sums
inline constexpr int kStepQuadsMax = 64;
inline constexpr int kColumnsQuads = SignedColumns::kCount / kInt8QuadColumns;
/// How far before their turn weights are fetched where memory is what counts.
inline constexpr int kAheadQuads = 32;

/// A step of one token.
struct StepColumns {
  SignedColumns parts[kStepQuadsMax / kColumnsQuads];

  void prepare(const int8_t* x, int num_quads, __m256i* missing) {
    const int num_whole = num_quads / kColumnsQuads;
    for (int i = 0; i < num_whole; ++i) parts[i] = SignedColumns::prepare(x + i * SignedColumns::kCount, missing);
    const int num_left = num_quads % kColumnsQuads;
    if (num_left == 0) return;
    int8_t padded[SignedColumns::kCount] = {};
    std::memcpy(padded, x + num_whole * SignedColumns::kCount, num_left * kInt8QuadColumns);
    parts[num_whole] = SignedColumns::prepare(padded, missing);
  }
};

/// A step of some groups.
struct StepWeights {
  const uint8_t* bytes;  // of the first one
  size_t group_bytes;    // to the next one's
  int num_quads;
  bool is_alone;  // no other tile fetches it
};

struct Int8Sums {
  __m256i half[2];  // rows 0..7 and 8..15
};

/// The products of num_quads quads, all of them of parts[part_idx].
template <int NumTokens, int NumGroups>
[[gnu::always_inline]] inline void add_part(const uint8_t* weights, size_t group_bytes, int num_quads,
                                            const StepColumns* x, int part_idx,
                                            Int8Sums (&sums)[NumTokens][NumGroups]) {
#pragma GCC unroll 8
  for (int quad = 0; quad < num_quads; ++quad) {
#pragma GCC unroll 4
    for (int g = 0; g < NumGroups; ++g) {
      const auto w = StoredQuad::load(weights + g * group_bytes + quad * kInt8QuadBytes);
#pragma GCC unroll 4
      for (int t = 0; t < NumTokens; ++t) x[t].parts[part_idx].quad(quad).add_products(w, sums[t][g].half);
    }
  }
}

/// to = from, a register at a time: copied as a whole, `to` would be in memory.
template <int NumTokens, int NumGroups>
[[gnu::always_inline]] inline void copy_sums(const Int8Sums* from, int from_stride, Int8Sums* to, int to_stride) {
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) {
      for (int i = 0; i < 2; ++i) to[t * to_stride + g].half[i] = from[t * from_stride + g].half[i];
    }
  }
}

/// sums [NumTokens][NumGroups], sums_stride apart, and a step's products.
template <int NumTokens, int NumGroups>
[[gnu::noinline]] void add_step(const StepWeights& w, const StepColumns* x, Int8Sums* sums, int sums_stride,
                                WeightsAhead* ahead) {
  Int8Sums registers[NumTokens][NumGroups];
  copy_sums<NumTokens, NumGroups>(sums, sums_stride, &registers[0][0], NumGroups);
  const uint8_t* weights = w.bytes;
  const int num_whole = w.num_quads / kColumnsQuads;
  for (int i = 0; i < num_whole; ++i, weights += kColumnsQuads * kInt8QuadBytes) {
    ahead->fetch();
    if (w.is_alone) {
      for (int g = 0; g < NumGroups; ++g) {
        const uint8_t* next = weights + g * w.group_bytes + kAheadQuads * kInt8QuadBytes;
        for (int quad = 0; quad < kColumnsQuads; ++quad) __builtin_prefetch(next + quad * kInt8QuadBytes, 0, 3);
      }
    }
    add_part<NumTokens, NumGroups>(weights, w.group_bytes, kColumnsQuads, x, i, registers);
  }
  const int num_left = w.num_quads % kColumnsQuads;
  if (num_left != 0) add_part<NumTokens, NumGroups>(weights, w.group_bytes, num_left, x, num_whole, registers);
  copy_sums<NumTokens, NumGroups>(&registers[0][0], NumGroups, sums, sums_stride);
}

template <int NumTokens, int NumGroups>
class Int8Tile {
 public:
  /// is_alone: it takes all tokens.
  Int8Tile(const Int8Row*, bool is_alone) : is_alone_(is_alone) {
    const __m256i zero = _mm256_setzero_si256();
    for (int t = 0; t < NumTokens; ++t) {
      missing_[t] = zero;
      for (int g = 0; g < NumGroups; ++g) sums_[t][g] = {{zero, zero}};
    }
  }

  /// Long ones are less work. Groups that take turns have short ones where memory counts, which then reads all of them at once.
  int step_quads() const { return is_alone_ && kTogether == 1 ? kColumnsQuads : kStepQuadsMax; }

  /// How often `ahead` fetches.
  static constexpr size_t num_fetches(size_t num_quads) {
    return (num_quads + kColumnsQuads - 1) / kColumnsQuads * (NumGroups / kTogether);
  }

  /// num_quads, at most step_quads(), of the groups' weights, group_bytes apart, and of the tokens' x, row_bytes apart.
  void add_products(const uint8_t* weights, size_t group_bytes, const int8_t* x, size_t row_bytes, int num_quads,
                    WeightsAhead* ahead) {
    StepColumns columns[NumTokens];
    for (int t = 0; t < NumTokens; ++t) columns[t].prepare(x + t * row_bytes, num_quads, &missing_[t]);
    for (int g = 0; g < NumGroups; g += kTogether) {
      const StepWeights step = {weights + g * group_bytes, group_bytes, num_quads, is_alone_};
      add_step<NumTokens, kTogether>(step, columns, &sums_[0][g], NumGroups, ahead);
    }
  }

  Lanes to_float(int t, int g) const {
    const __m256i missing = SignedColumns::sum_parts(missing_[t]);
    const auto whole = [&](__m256i sum) { return _mm256_cvtepi32_ps(_mm256_add_epi32(sum, missing)); };
    return {whole(sums_[t][g].half[0]), whole(sums_[t][g].half[1])};
  }

 private:
  static constexpr int kTogether = tile_groups(NumTokens, kSumsTogether, NumGroups);

  Int8Sums sums_[NumTokens][NumGroups];
  __m256i missing_[NumTokens];  // what sums lack, by SignedColumns::prepare
  bool is_alone_;
};

}  // namespace
}  // namespace switchyard
