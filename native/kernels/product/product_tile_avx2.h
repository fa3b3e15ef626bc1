// How many tokens and sums a tile of product_lanes.h has; for *_avx2*.cc only.
#pragma once

namespace switchyard {
namespace {

struct RegisterTile {
  static constexpr int kTileTokens = 6;
  static constexpr int kSumsMax = 6;  // of two registers each, of the 16
  static constexpr int kSumsAlone = kSumsMax;
};

}  // namespace
}  // namespace switchyard
