// The packed form of block_form.h: written a row at a time, read by the reference a number at a time.
#include <cstring>

#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

constexpr int kQuadBytes = kGroupRows * 4;

size_t groups_of(int num_rows) { return (static_cast<size_t>(num_rows) + kGroupRows - 1) / kGroupRows; }

/// Where a column's byte lies in its quad.
int byte_in_quad(int lane, int column) { return lane * 4 + column % 4; }

void set_code(const BlockForm& form, int lane, int column, uint8_t code, uint8_t* block) {
  const int quad = column / 4;
  const int byte = byte_in_quad(lane, column);
  if (form.num_bits == 8) {
    block[quad * kQuadBytes + byte] = code;
    return;
  }
  block[quad % 4 * kQuadBytes + byte] |= static_cast<uint8_t>((code & 0xf) << (quad / 4 * 4));
  uint8_t* high = block + 4 * kQuadBytes + byte;
  if (form.num_bits == 5) *high |= static_cast<uint8_t>((code >> 4) << quad);
  if (form.num_bits == 6) high[quad / 4 * kQuadBytes] |= static_cast<uint8_t>((code >> 4) << (quad % 4 * 2));
}

void set_half(uint8_t* halves, int lane, uint16_t bits) {
  std::memcpy(halves + lane * sizeof(bits), &bits, sizeof(bits));
}

void set_scales(const BlockForm& form, int lane, const BlockUnit& unit, uint8_t* scales) {
  constexpr size_t kHalvesBytes = kGroupRows * sizeof(uint16_t);
  set_half(scales, lane, unit.scale);
  scales += kHalvesBytes;
  if (form.has_minimum) {
    set_half(scales, lane, unit.minimum);
    scales += kHalvesBytes;
  }
  for (size_t i = 0; i < form.num_small_scales(); ++i, scales += kGroupRows)
    scales[lane] = static_cast<uint8_t>(unit.small_scales[i]);
  for (size_t i = 0; i < form.num_small_minima(); ++i, scales += kGroupRows)
    scales[lane] = static_cast<uint8_t>(unit.small_minima[i]);
}

}  // namespace

size_t block_code_bytes(int num_rows, int num_columns, PackedType type) {
  return groups_of(num_rows) * (num_columns / kBlockColumns) * block_form(type).code_bytes();
}

size_t block_scale_bytes(int num_rows, int num_columns, PackedType type) {
  const BlockForm form = block_form(type);
  return groups_of(num_rows) * (num_columns / form.unit_columns) * form.scale_bytes();
}

void pack_block_unit(PackedType type, int num_columns, int row, int unit_idx, const BlockUnit& unit, uint8_t* codes,
                     uint8_t* scales) {
  const BlockForm form = block_form(type);
  const size_t num_units = num_columns / form.unit_columns;
  const size_t place = row / kGroupRows * num_units + unit_idx;
  const int lane = row % kGroupRows;
  for (int k = 0; k < form.unit_columns; ++k) {
    uint8_t* block = codes + (place * form.unit_blocks() + k / kBlockColumns) * form.code_bytes();
    set_code(form, lane, k % kBlockColumns, unit.codes[k], block);
  }
  set_scales(form, lane, unit, scales + place * form.scale_bytes());
}

int block_code_at(const BlockForm& form, const uint8_t* block, int lane, int column) {
  const int quad = column / 4;
  const int byte = byte_in_quad(lane, column);
  if (form.num_bits == 8) return block[quad * kQuadBytes + byte];
  const int low = block[quad % 4 * kQuadBytes + byte] >> (quad / 4 * 4) & 0xf;
  const uint8_t* high = block + 4 * kQuadBytes + byte;
  if (form.num_bits == 5) return low | (*high >> quad & 1) << 4;
  if (form.num_bits == 6) return low | (high[quad / 4 * kQuadBytes] >> (quad % 4 * 2) & 3) << 4;
  return low;
}

ActivationBlock* BlockActivations::resize(int num_tokens, int num_blocks) {
  const size_t needed = static_cast<size_t>(num_tokens) * num_blocks;
  if (blocks_.size() < needed) blocks_.resize(needed);
  return blocks_.data();
}

}  // namespace switchyard
