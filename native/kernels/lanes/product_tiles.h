// What the vector forms of products share: how tokens and groups of 16 outputs are cut into tiles, how weights are fetched ahead of them,
// and how a tile's outputs are stored.
// NOTE: include only from files of one instruction set, behind their Lanes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>
#include <cstdint>

#include "kernels/product/packed_type.h"

namespace switchyard {
namespace {

inline constexpr int kBandGroups = 4;
inline constexpr int kTileGroupsMax = 4;

constexpr int groups_of(int num_rows) { return (num_rows + kGroupRows - 1) / kGroupRows; }

/// Groups beside each other for which num_tokens leaves room in so many sums.
constexpr int tile_groups(int num_tokens, int sums_max, int groups_max = kTileGroupsMax) {
  return std::clamp(static_cast<int>(std::bit_floor(unsigned(sums_max / num_tokens))), 1, groups_max);
}

/// Lanes of group `group` into y [num_rows].
inline void store_group(const Lanes& lanes, int group, int num_rows, float* y) {
  const int row = group * kGroupRows;
  if (row + kGroupRows <= num_rows) {
    lanes.store(y + row);
  } else {
    lanes.store_first(y + row, num_rows - row);
  }
}

/// Fetches weights of the next band into the second cache while a tile of this one runs: of the groups that lie a band further on, the
/// share that the tile's tokens are of all. Otherwise the first tile of a band waits for memory and the others leave it idle. Where one
/// tile takes all tokens there are no others: then it fetches nothing.
class WeightsAhead {
 public:
  /// Of a tile with groups from first_group and tokens from first_token on; weights: [num_groups][group_bytes].
  template <int NumTokens, int NumGroups>
  static WeightsAhead of_tile(const uint8_t* weights, size_t group_bytes, int num_groups, int num_tokens,
                              int first_group, int first_token, size_t num_steps) {
    const int first_next = std::min(first_group + kBandGroups, num_groups);
    const int num_next = NumTokens < num_tokens ? std::min(NumGroups, num_groups - first_next) : 0;
    return of_share(weights + first_next * group_bytes, num_next * group_bytes, first_token, first_token + NumTokens,
                    num_tokens, num_steps);
  }

  /// The share of num_bytes that tokens [first_token, end_token) are of num_tokens.
  static WeightsAhead of_share(const uint8_t* bytes, size_t num_bytes, int first_token, int end_token, int num_tokens,
                               size_t num_steps) {
    const size_t num_lines = num_bytes / kLineBytes;
    const size_t first_line = num_lines * first_token / num_tokens;
    const size_t end_line = num_lines * end_token / num_tokens;
    return {bytes + first_line * kLineBytes, end_line - first_line, num_steps};
  }

  /// In each of the tile's steps.
  void fetch() {
    const size_t stop = std::min(num_fetched_ + lines_a_step_, num_lines_);
    for (; num_fetched_ < stop; ++num_fetched_) __builtin_prefetch(lines_ + num_fetched_ * kLineBytes, 0, 2);
  }

 private:
  static constexpr size_t kLineBytes = 64;

  WeightsAhead(const uint8_t* lines, size_t num_lines, size_t num_steps)
      : lines_(lines), num_lines_(num_lines), lines_a_step_((num_lines + num_steps - 1) / num_steps) {}

  const uint8_t* lines_;
  size_t num_lines_;
  size_t lines_a_step_;
  size_t num_fetched_ = 0;
};

/// Groups [first_group, first_group + num_groups) in tiles as wide as NumTokens leaves registers for, of at most SumsMax sums.
template <int NumTokens, int SumsMax, class RunTile>
void run_tile_groups(int first_group, int num_groups, int first_token, const RunTile& run_tile) {
  constexpr int kWide = tile_groups(NumTokens, SumsMax);
  int g = 0;
  for (; g + kWide <= num_groups; g += kWide)
    run_tile.template operator()<NumTokens, kWide>(first_group + g, first_token);
  for (; g < num_groups; ++g) run_tile.template operator()<NumTokens, 1>(first_group + g, first_token);
}

/// Tokens [first_token, num_tokens) in tiles of NumTokens, and one of the rest.
template <int NumTokens, int SumsMax, class RunTile>
void run_tile_tokens(int first_group, int num_groups, int first_token, int num_tokens, const RunTile& run_tile) {
  for (; first_token + NumTokens <= num_tokens; first_token += NumTokens)
    run_tile_groups<NumTokens, SumsMax>(first_group, num_groups, first_token, run_tile);
  if constexpr (NumTokens > 1) {
    if (first_token < num_tokens)
      run_tile_tokens<NumTokens - 1, SumsMax>(first_group, num_groups, first_token, num_tokens, run_tile);
  }
}

/// run_tile<tokens, groups>(first group, first token) over all of a product, in bands of groups whose weights stay in a near cache while
/// all tokens pass. Tiles are of up to Tile::kTileTokens tokens and kSumsMax sums; of kSumsAlone where one takes all tokens: memory then
/// counts most, and gives more when several groups are read at once.
template <class Tile, class RunTile>
void run_tiles(int num_rows, int num_tokens, const RunTile& run_tile) {
  constexpr int kTokens = Tile::kTileTokens;
  const int num_groups = groups_of(num_rows);
  for (int band = 0; band < num_groups; band += kBandGroups) {
    const int band_groups = std::min(num_groups - band, kBandGroups);
    if (num_tokens > kTokens) {
      run_tile_tokens<kTokens, Tile::kSumsMax>(band, band_groups, 0, num_tokens, run_tile);
    } else {
      run_tile_tokens<kTokens, Tile::kSumsAlone>(band, band_groups, 0, num_tokens, run_tile);
    }
  }
}

}  // namespace
}  // namespace switchyard
