// The bytes of the KV blocks and their generations (D1). Allocates nothing by itself: the master decides which block is whose.
//
//   offset 0                [block][layer][token in block] rows, as CacheLayout has them      written by the loop thread
//   generation_offset       uint64 a block, raised when the block is granted                 written by the loop thread, read by peers' get()
//
// The region lies in a communicator's app area, so that peers can read it, or in private memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>

#include "executor/kv/cache_layout.h"

namespace switchyard::executor {

/// Raised when the layout above or that of a row changes; in every KV handle.
inline constexpr uint32_t kKvLayoutVersion = 2;

/// Rows of one layer: token i of block b stands at base + b * block_stride + i * row_bytes.
struct KvLayerView {
  std::byte* base;
  size_t block_stride;
  int block_tokens;
  size_t row_bytes;

  std::byte* row(int32_t block, int token_in_block) const {
    return base + block * block_stride + token_in_block * row_bytes;
  }
};

class KvPool {
 public:
  /// Bytes that a pool of this shape needs.
  static uint64_t region_bytes(int num_layers, const CacheLayout& layout, int num_blocks, int block_tokens);

  /// region: at least region_bytes, aligned to 64; empty: private memory is allocated.
  /// INVALID_ARGUMENT for an impossible shape, RESOURCE_EXHAUSTED for a region that is too small or memory that is not there.
  static Status create(int num_layers, const CacheLayout& layout, int num_blocks, int block_tokens,
                       std::span<std::byte> region, std::unique_ptr<KvPool>* pool);

  ~KvPool();
  KvPool(const KvPool&) = delete;
  KvPool& operator=(const KvPool&) = delete;

  int num_blocks() const { return num_blocks_; }
  int block_tokens() const { return block_tokens_; }
  size_t block_bytes() const { return block_bytes_; }
  uint64_t generation_offset() const;

  KvLayerView layer(int layer) const;
  std::span<std::byte> block(int32_t block) const;

  /// Before anything is written to a newly granted block.
  void raise_generation(int32_t block);
  /// Any thread.
  uint64_t generation(int32_t block) const;

 private:
  KvPool() = default;

  std::byte* data_ = nullptr;
  size_t mapped_bytes_ = 0;  // of private memory, 0 for a foreign region
  size_t block_bytes_ = 0;
  int num_layers_ = 0;
  size_t row_bytes_ = 0;
  int num_blocks_ = 0;
  int block_tokens_ = 0;
};

}  // namespace switchyard::executor
