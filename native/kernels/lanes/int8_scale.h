// The scale of an INT8 row (base/quantize_row.h) for vector forms. In an anonymous namespace, as all of theirs: code of one instruction
// set must not be merged with another's.
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

}  // namespace
}  // namespace switchyard
