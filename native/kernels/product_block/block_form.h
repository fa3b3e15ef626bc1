// How a matrix of one of GGUF's block types lies packed, for products of policy `block-a8`. Used by packing, kernels and arena.
//
// Columns are cut into blocks of 32 and units of one fp16 scale: a unit is a block, or 8 blocks with small scales of their own (the K
// types). Rows are cut into groups of 16. A number is a code of 4, 5, 6 or 8 bits; what stands for 0 is `zero`, where no minimum says it.
//
//   codes   [group][block][num_bits * 64 bytes]
//   scales  [group][unit][scale_bytes]
//
// The codes of a block, a quad being four neighbouring columns as `vpdpbusd` takes them:
//   8 bits      [quad 0..7][16 rows][4]
//   otherwise   [quad 0..3][16 rows][4], the low 4 bits of quad i in the low half of a byte and those of quad i + 4 in the high half; then
//     5 bits    [16 rows][4], the fifth bit of quad i at bit i
//     6 bits    [quad / 4][16 rows][4], the two high bits of quad i at bits 2 * (i % 4)
// The scales of a unit: [16 rows] fp16; with minima another [16 rows] fp16; in the K types [group of columns][16 rows] int8 that the scale is
// multiplied by, and with minima [block][16 rows] int8 that those are multiplied by.
#pragma once

#include <cstddef>

#include "kernels/product/packed_type.h"

namespace switchyard {

inline constexpr int kBlockColumns = 32;
inline constexpr int kBlockQuads = kBlockColumns / 4;
inline constexpr int kUnitColumnsMax = 256;

struct BlockForm {
  int num_bits;
  int zero;  // the code of the number 0; of no use with a minimum
  bool has_minimum;
  int unit_columns;
  int sum_columns;  // that share a scale: of one int32 sum

  constexpr int unit_blocks() const { return unit_columns / kBlockColumns; }
  constexpr bool has_small_scales() const { return unit_columns > kBlockColumns; }
  /// Sums of a block.
  constexpr int block_sums() const { return kBlockColumns / sum_columns; }
  /// Of a block of 16 rows.
  constexpr size_t code_bytes() const { return static_cast<size_t>(num_bits) * kBlockColumns * kGroupRows / 8; }
  constexpr size_t num_small_scales() const { return has_small_scales() ? unit_columns / sum_columns : 0; }
  constexpr size_t num_small_minima() const { return has_small_scales() && has_minimum ? unit_blocks() : 0; }
  /// Of a unit of 16 rows.
  constexpr size_t scale_bytes() const {
    return kGroupRows * ((has_minimum ? 4 : 2) + num_small_scales() + num_small_minima());
  }
};

constexpr BlockForm block_form(PackedType type) {
  switch (type) {
    case PackedType::kQ4_0:
      return {4, 8, false, 32, 32};
    case PackedType::kQ4_1:
      return {4, 0, true, 32, 32};
    case PackedType::kQ5_0:
      return {5, 16, false, 32, 32};
    case PackedType::kQ5_1:
      return {5, 0, true, 32, 32};
    case PackedType::kQ4_K:
      return {4, 0, true, 256, 32};
    case PackedType::kQ5_K:
      return {5, 0, true, 256, 32};
    case PackedType::kQ6_K:
      return {6, 32, false, 256, 16};
    default:
      return {8, 128, false, 32, 32};  // Q8_0
  }
}

}  // namespace switchyard
