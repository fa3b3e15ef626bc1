// What the vector forms of all products share: how tokens and groups of 16 outputs are cut into tiles, and how a tile's outputs are stored.
// NOTE: include only from files of one instruction set, behind their Lanes.
#pragma once

#include <algorithm>
#include <bit>
#include <cstddef>

#include "kernels/product/packed_type.h"

namespace switchyard {
namespace {

inline constexpr int kBandGroups = 4;
inline constexpr int kTileGroupsMax = 4;

/// Lanes of group `group` into y [num_rows].
inline void store_group(Lanes lanes, int group, int num_rows, float* y) {
  const int row = group * kGroupRows;
  if (row + kGroupRows <= num_rows) {
    lanes.store(y + row);
  } else {
    lanes.store_first(y + row, num_rows - row);
  }
}

/// Groups [first_group, first_group + num_groups) in tiles as wide as NumTokens leaves registers for, of at most SumsMax sums.
template <int NumTokens, int SumsMax, class RunTile>
void run_tile_groups(int first_group, int num_groups, int first_token, const RunTile& run_tile) {
  constexpr int kWide = std::clamp(std::bit_floor(unsigned(SumsMax) / NumTokens), 1u, unsigned(kTileGroupsMax));
  int g = 0;
  for (; g + kWide <= num_groups; g += kWide)
    run_tile.template operator()<NumTokens, kWide>(first_group + g, first_token);
  for (; g < num_groups; ++g) run_tile.template operator()<NumTokens, 1>(first_group + g, first_token);
}

/// Tokens [first_token, num_tokens) in tiles of NumTokens, the rest in the next smaller powers of two.
template <int NumTokens, int SumsMax, class RunTile>
void run_tile_tokens(int first_group, int num_groups, int first_token, int num_tokens, const RunTile& run_tile) {
  for (; first_token + NumTokens <= num_tokens; first_token += NumTokens)
    run_tile_groups<NumTokens, SumsMax>(first_group, num_groups, first_token, run_tile);
  if constexpr (NumTokens > 1)
    run_tile_tokens<std::bit_floor(NumTokens - 1u), SumsMax>(first_group, num_groups, first_token, num_tokens,
                                                             run_tile);
}

/// run_tile<tokens, groups>(first group, first token) over all of a product: tiles of up to TokensMax tokens, in bands of
/// groups whose weights stay in a near cache while all tokens pass.
template <int TokensMax, int SumsMax, class RunTile>
void run_tiles(int num_rows, int num_tokens, int band_groups, const RunTile& run_tile) {
  const int num_groups = (num_rows + kGroupRows - 1) / kGroupRows;
  for (int band = 0; band < num_groups; band += band_groups) {
    const int left = num_groups - band;
    run_tile_tokens<TokensMax, SumsMax>(band, left < band_groups ? left : band_groups, 0, num_tokens, run_tile);
  }
}

}  // namespace
}  // namespace switchyard
