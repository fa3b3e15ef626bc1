// The types that weight files store tensors in, and their widening to binary32: plain floats, scaled fp8 and int8, and the block types
// of GGUF. Used by the weight store where products take plain floats (policy `fp32`), and for the rows of embeddings.
// Block types: ggml-common.h and ggml-quants.c of llama.cpp; each number is a few binary32 operations, one rounding each, in
// the order below, as the gguf Python package has them.
#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard::executor {

enum class StoredType : uint8_t {
  kBf16,
  kF16,
  kF32,
  kF8E4m3,
  kI8,
  kQ8_0,
  kQ4_0,
  kQ4_1,
  kQ5_0,
  kQ5_1,
  kQ4_K,
  kQ5_K,
  kQ6_K
};

/// `block_elements` neighbours of a row lie together in `block_bytes`. An fp8 or int8 number is a block by itself; its scale lies elsewhere.
struct StoredLayout {
  uint64_t block_elements;
  uint64_t block_bytes;
};

StoredLayout stored_layout(StoredType type);

/// True for the types that the product packs as they are.
constexpr bool is_plain(StoredType type) { return type <= StoredType::kF32; }

/// True for the types whose scales are a tensor of their own.
constexpr bool has_scales(StoredType type) { return type == StoredType::kF8E4m3 || type == StoredType::kI8; }

/// Widens `num_elements` (whole blocks) of any type from `data`; fp8 and int8 without their scales.
void widen_stored(StoredType type, const std::byte* data, uint64_t num_elements, float* out);

}  // namespace switchyard::executor
