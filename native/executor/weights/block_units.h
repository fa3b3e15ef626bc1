// GGUF's blocks taken apart into codes and scales, nothing of them rounded, for products that take them as they are (policy `block-a8`).
// Used by the weight store. What the blocks mean as numbers: stored_type.h.
#pragma once

#include "executor/weights/stored_type.h"
#include "kernels/product/product.h"

namespace switchyard::executor {

static_assert(static_cast<int>(StoredType::kQ6_K) - static_cast<int>(StoredType::kQ8_0) ==
              static_cast<int>(PackedType::kQ6_K) - static_cast<int>(PackedType::kQ8_0));

/// Both enumerations have the block types in one order.
constexpr bool is_block_type(StoredType type) { return type >= StoredType::kQ8_0; }
constexpr PackedType packed_block_type(StoredType type) {
  return static_cast<PackedType>(static_cast<int>(type) - static_cast<int>(StoredType::kQ8_0) +
                                 static_cast<int>(PackedType::kQ8_0));
}
constexpr StoredType stored_block_type(PackedType type) {
  return static_cast<StoredType>(static_cast<int>(type) - static_cast<int>(PackedType::kQ8_0) +
                                 static_cast<int>(StoredType::kQ8_0));
}

/// Packs rows in blocks as the file has them, `data` [num_rows][blocks of a row], into rows first_row.. of a matrix of that type.
void set_block_rows(const std::byte* data, int first_row, int num_rows, PackedMatrix* matrix);

}  // namespace switchyard::executor
