// The vector form of the row quantisation. A *_avx2.cc or *_avx512.cc file instantiates it with its registers (`Lanes`: 32 or 64
// bytes); what is left after the last full block goes through the same registers, behind it zeros. All in an anonymous namespace:
// code of one instruction set must not be merged with another's.
#pragma once

#include <algorithm>
#include <cstring>
#include <type_traits>

#include "base/quantize_row_variants.h"

namespace switchyard {
namespace {

/// The bits of the largest magnitude as a float's. The elements' own bits order as their magnitudes do, so bfloat16s stay narrow.
template <class Lanes, class Element>
uint32_t amax_bits_of(const Element* x, size_t n) {
  using Bits = typename Lanes::Bits;
  constexpr size_t kWidth = sizeof(Bits) / sizeof(Element);
  Bits most[4] = {};
  size_t at = 0;
  for (; at + 4 * kWidth <= n; at += 4 * kWidth) {
    for (size_t i = 0; i < 4; ++i) most[i] = Lanes::max_magnitude(most[i], x + at + i * kWidth);
  }
  for (; at + kWidth <= n; at += kWidth) most[0] = Lanes::max_magnitude(most[0], x + at);
  if (at < n) {
    Element padded[kWidth] = {};
    std::memcpy(padded, x + at, (n - at) * sizeof(Element));
    most[1] = Lanes::max_magnitude(most[1], padded);
  }
  for (size_t i = 1; i < 4; ++i) most[0] = Lanes::max_magnitude(most[0], reinterpret_cast<const Element*>(&most[i]));
  std::conditional_t<sizeof(Element) == 2, uint16_t, uint32_t> magnitudes[kWidth];
  std::memcpy(magnitudes, most, sizeof(magnitudes));
  uint32_t result = 0;
  for (const uint32_t magnitude : magnitudes) result = std::max(result, magnitude);
  return result << (32 - 8 * sizeof(Element));
}

/// Has memory fetched which need not be there.
template <size_t kNumBytes>
void fetch(uintptr_t address) {
  constexpr size_t kLineBytes = 64;
  for (size_t at = 0; at < kNumBytes; at += kLineBytes) __builtin_prefetch(reinterpret_cast<const void*>(address + at));
}

/// While a row is converted, the next one is fetched if it lies behind it, as most do: the processor does not look ahead by itself
/// from one page to the next.
template <class Lanes, class Element>
float run_quantize(const Element* x, size_t n, int8_t* q) {
  const RowScale row = row_scale(amax_bits_of<Lanes>(x, n));
  if (row.inverse == 0) {
    std::memset(q, 0, n);
    return row.scale;
  }
  const auto inverse = Lanes::broadcast(row.inverse);
  constexpr size_t kBlock = sizeof(typename Lanes::Bits);
  const uintptr_t next_row = reinterpret_cast<uintptr_t>(x) + n * sizeof(Element);
  size_t at = 0;
  for (; at + kBlock <= n; at += kBlock) {
    fetch<kBlock * sizeof(Element)>(next_row + at * sizeof(Element));
    Lanes::quantize_block(x + at, inverse, q + at);
  }
  if (at == n) return row.scale;
  Element padded[kBlock] = {};
  int8_t bytes[kBlock];
  std::memcpy(padded, x + at, (n - at) * sizeof(Element));
  Lanes::quantize_block(padded, inverse, bytes);
  std::memcpy(q + at, bytes, n - at);
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
