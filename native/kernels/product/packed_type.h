// The forms in which a matrix is packed for products. Those of GGUF's block types are in product_block/block_form.h.
#pragma once

#include <cstdint>

namespace switchyard {

inline constexpr int kGroupRows = 16;
inline constexpr int kMaxSlices = 8;

/// Part of the arena's file format. kBf16 is widened to fp32 in the product; kBf16Pairs makes bf16 of the activations, too.
enum class PackedType : uint8_t {
  kF32,
  kBf16,
  kInt8,
  kBf16Pairs,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

inline constexpr PackedType kLastPackedType = PackedType::kQ6_K;

constexpr bool is_block_type(PackedType type) { return type >= PackedType::kQ8_0 && type <= kLastPackedType; }

}  // namespace switchyard
