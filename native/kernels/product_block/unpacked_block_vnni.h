// The twin of unpacked_block_avx2.h where `vpdpbusd` multiplies. Include behind one of kernels/lanes/quads_*.h.
#pragma once

#include <limits>

#include "kernels/product_block/block_lanes_vnni.h"

namespace switchyard {
namespace {

/// Codes alone are taken apart about as quickly as they are read, scales of two parts are not.
constexpr int unpacked_tokens_min(const BlockForm& form) {
  return form.has_small_scales() || form.num_bits == 5 ? 8 : std::numeric_limits<int>::max();
}

template <int kNumBits>
struct UnpackedCodes {
  using Sums = BlockSums<kNumBits>;

  Quads quads[kBlockQuads];

  void unpack(const uint8_t* block) {
    for (int quad = 0; quad < kBlockQuads; ++quad) quads[quad] = Sums::load_codes(block, quad);
  }

  Sums begin(int32_t start) const { return Sums::begin(start); }
};

}  // namespace
}  // namespace switchyard
