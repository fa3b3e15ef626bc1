// Codes and int32 sums of 16 output rows where `vpdpbusd` multiplies them; the twin of block_lanes_avx2.h. Include behind one of
// kernels/lanes/quads_*.h.
#pragma once

#include <algorithm>
#include <bit>

#include "kernels/product_block/plain_tokens.h"

namespace switchyard {
namespace {

/// Both types' sums of one token begin with the block's `start`, which makes up for codes that are too large.
template <int kNumBits>
struct BlockSums : QuadSums {
  static constexpr int kTileTokens = std::min<int>(std::bit_floor(unsigned{kInRegisters}), kActivationTile);
  static constexpr int kSumsMax = std::bit_floor(unsigned{kInRegisters});
  static constexpr int kSumsTogether = kSumsMax;
  /// Codes of 8 bits come from memory so slowly that sums need not be in registers, but four groups keep more of it busy than two.
  static constexpr int kSumsAlone = kNumBits == 8 ? 32 : 16;

  /// How far ahead a tile that takes all tokens fetches: what it works on while memory answers.
  static constexpr int blocks_ahead(int) { return kNumBits == 8 ? 1 : 4; }

  template <int>
  using Tokens = PlainTokens;
  using Codes = Quads;

  static BlockSums begin(int32_t start) { return {QuadSums::begin(start)}; }

  /// Quad `quad` (a constant of the unrolled loop) of a block.
  static Codes load_codes(const uint8_t* block, int quad) {
    if constexpr (kNumBits == 8) return Quads::load(block + 64 * quad);
    const Quads both = Quads::load(block + 64 * (quad % 4));
    const Quads low = (quad < 4 ? both : both.shifted(-4)).bits(0xf);
    if constexpr (kNumBits == 4) return low;
    const Quads plane = Quads::load(block + 256 + (kNumBits == 6 ? quad / 4 * 64 : 0));
    const Quads moved = plane.shifted(kNumBits == 5 ? 4 - quad : 4 - quad % 4 * 2);
    return low.joined(moved.bits(kNumBits == 5 ? 0x10 : 0x30));
  }

  void add_products(int, Codes codes, int32_t x) { QuadSums::add_products(codes, x); }
};

}  // namespace
}  // namespace switchyard
