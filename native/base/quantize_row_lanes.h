// The vector form of the row quantisation. A *_avx2.cc or *_avx512.cc file instantiates it with its registers (`Lanes`: 8 or 16
// numbers); tails shorter than a block go one by one. All in an anonymous namespace: code of one instruction set must not be
// merged with another's.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/quantize_row_variants.h"

namespace switchyard {
namespace {

inline float widen_one(float x) { return x; }
inline float widen_one(uint16_t x) { return std::bit_cast<float>(static_cast<uint32_t>(x) << 16); }

template <class Lanes, class Element>
uint32_t amax_bits_of(const Element* x, size_t n) {
  typename Lanes::Bits most[4] = {Lanes::no_bits(), Lanes::no_bits(), Lanes::no_bits(), Lanes::no_bits()};
  size_t at = 0;
  for (; at + 4 * Lanes::kWidth <= n; at += 4 * Lanes::kWidth) {
    for (size_t i = 0; i < 4; ++i) most[i] = Lanes::max_magnitude(most[i], Lanes::load(x + at + i * Lanes::kWidth));
  }
  uint32_t result =
      Lanes::reduce_max(Lanes::max_bits(Lanes::max_bits(most[0], most[1]), Lanes::max_bits(most[2], most[3])));
  for (; at < n; ++at) result = std::max(result, std::bit_cast<uint32_t>(widen_one(x[at])) & kMagnitudeBits);
  return result;
}

template <class Lanes, class Element>
float run_quantize(const Element* x, size_t n, int8_t* q) {
  const RowScale row = row_scale(amax_bits_of<Lanes>(x, n));
  if (row.inverse == 0) {
    std::memset(q, 0, n);
    return row.scale;
  }
  const auto inverse = Lanes::broadcast(row.inverse);
  constexpr size_t kBlock = Lanes::kNarrowWidth;
  size_t at = 0;
  for (; at + kBlock <= n; at += kBlock) Lanes::quantize_block(x + at, inverse, q + at);
  for (; at < n; ++at) q[at] = static_cast<int8_t>(std::rint(widen_one(x[at]) * row.inverse));
  return row.scale;
}

template <class Lanes>
void run_round_bf16(const float* x, size_t n, uint16_t* out) {
  size_t at = 0;
  for (; at + 16 <= n; at += 16) Lanes::round_16(x + at, out + at);
  for (; at < n; ++at) {
    const auto bits = std::bit_cast<uint32_t>(x[at]);
    const bool is_nan = (bits & kMagnitudeBits) > 0x7f800000u;
    out[at] = static_cast<uint16_t>((is_nan ? bits | 0x400000u : bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
  }
}

}  // namespace
}  // namespace switchyard
