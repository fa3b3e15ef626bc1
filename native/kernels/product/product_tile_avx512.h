// How many tokens and sums a tile of product_lanes.h has; for *_avx512*.cc only.
#pragma once

namespace switchyard {
namespace {

struct RegisterTile {
  static constexpr int kTokens = 12;
  static constexpr int kSums = 24;  // of the 32 registers
};

}  // namespace
}  // namespace switchyard
