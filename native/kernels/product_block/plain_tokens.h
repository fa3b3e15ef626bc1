// A token's blocks for sums that multiply them as they are. NOTE: include only from files of one instruction set.
#pragma once

#include <cstring>

#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

/// Of a tile, block by block.
struct PlainTokens {
  static const ActivationBlock* take(const ActivationBlock* blocks) { return blocks; }
};

inline int32_t start_of(const ActivationBlock& x, int sum) { return x.start[sum]; }

inline int32_t quad_of(const ActivationBlock& x, int quad) {
  int32_t four;
  std::memcpy(&four, x.q + quad * 4, sizeof(four));
  return four;
}

}  // namespace
}  // namespace switchyard
