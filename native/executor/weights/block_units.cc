#include "executor/weights/block_units.h"

#include "executor/weights/stored_blocks.h"
#include "kernels/product_block/product_block.h"

namespace switchyard::executor {
namespace {

BlockUnit read_q8_0(BlockReader reader) {
  BlockUnit unit;
  unit.scale = reader.half_bits();
  const uint8_t* quants = reader.take(kBlock);
  for (uint64_t i = 0; i < kBlock; ++i) unit.codes[i] = quants[i] ^ 0x80;  // + 128
  return unit;
}

BlockUnit read_small(const BlockForm& form, BlockReader reader) {
  BlockUnit unit;
  unit.scale = reader.half_bits();
  if (form.has_minimum) unit.minimum = reader.half_bits();
  const uint32_t fifth = form.num_bits == 5 ? reader.word() : 0;
  const uint8_t* nibbles = reader.take(kBlock / 2);
  for (int i = 0; i < static_cast<int>(kBlock); ++i) unit.codes[i] = small_code(nibbles, fifth, i);
  return unit;
}

BlockUnit read_k(const BlockForm& form, BlockReader reader) {
  BlockUnit unit;
  unit.scale = reader.half_bits();
  unit.minimum = reader.half_bits();
  const uint8_t* scales = reader.take(12);
  const uint8_t* fifth = form.num_bits == 5 ? reader.take(kBlock) : nullptr;
  const uint8_t* nibbles = reader.take(kSuperBlock / 2);
  for (int j = 0; j < 8; ++j) {
    const SubScale sub = sub_scale(scales, j);
    unit.small_scales[j] = static_cast<int8_t>(sub.scale);
    unit.small_minima[j] = static_cast<int8_t>(sub.minimum);
    for (int i = 0; i < 32; ++i) unit.codes[j * 32 + i] = k_code(nibbles, fifth, j, i);
  }
  return unit;
}

BlockUnit read_q6_k(BlockReader reader) {
  BlockUnit unit;
  const uint8_t* low = reader.take(kSuperBlock / 2);
  const uint8_t* high = reader.take(kSuperBlock / 4);
  std::memcpy(unit.small_scales, reader.take(sizeof(unit.small_scales)), sizeof(unit.small_scales));
  unit.scale = reader.half_bits();
  for (int j = 0; j < 16; ++j) {
    for (int i = 0; i < 16; ++i) unit.codes[j * 16 + i] = k6_code(low, high, j, i);
  }
  return unit;
}

BlockUnit read_unit(const BlockForm& form, const std::byte* block) {
  const BlockReader reader(block);
  if (form.num_bits == 8) return read_q8_0(reader);
  if (form.num_bits == 6) return read_q6_k(reader);
  return form.has_small_scales() ? read_k(form, reader) : read_small(form, reader);
}

}  // namespace

void set_block_rows(const std::byte* data, int first_row, int num_rows, PackedMatrix* matrix) {
  const BlockForm form = block_form(matrix->type());
  const uint64_t block_bytes = stored_layout(stored_block_type(matrix->type())).block_bytes;
  const int num_units = matrix->num_columns() / form.unit_columns;
  for (int row = first_row; row < first_row + num_rows; ++row) {
    for (int i = 0; i < num_units; ++i, data += block_bytes) matrix->set_block_unit(row, i, read_unit(form, data));
  }
}

}  // namespace switchyard::executor
