// The two parts of an INT8 row (base/quantize_row.h) for vector forms. In an anonymous namespace, as all of theirs: code of one instruction
// set must not be merged with another's. Include after a lanes_*.h.
#pragma once

#include <cstring>

#include "base/quantize_row.h"

namespace switchyard {
namespace {

inline float load_int8_scale(const std::byte* row, int size) {
  float scale;
  std::memcpy(&scale, row + int8_scale_offset(size), sizeof(scale));
  return scale;
}

/// to[i] = from[i], which is exact.
template <class Number>
inline void widen_lanes(const Number* from, int count, float* to) {
  int i = 0;
  for (; i + 16 <= count; i += 16) Lanes::load(from + i).store(to + i);
  if (i < count) Lanes::load_first(from + i, count - i).store_first(to + i, count - i);
}

}  // namespace
}  // namespace switchyard
