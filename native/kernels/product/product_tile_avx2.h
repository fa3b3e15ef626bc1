// How many tokens and sums a tile of product_lanes.h has; for *_avx2*.cc only.
#pragma once

namespace switchyard {
namespace {

struct RegisterTile {
  static constexpr int kTokens = 6;
  static constexpr int kSums = 6;  // of two registers each, of the 16
};

}  // namespace
}  // namespace switchyard
