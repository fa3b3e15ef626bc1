// How many tokens and sums a tile of product_lanes.h has; for *_avx512*.cc only.
#pragma once

namespace switchyard {
namespace {

struct RegisterTile {
  static constexpr int kTileTokens = 12;
  static constexpr int kSumsMax = 24;  // of the 32 registers
  static constexpr int kSumsAlone = kSumsMax;
};

}  // namespace
}  // namespace switchyard
