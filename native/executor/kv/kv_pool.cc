#include "executor/kv/kv_pool.h"

#include <sys/mman.h>

#include <atomic>

namespace switchyard::executor {
namespace {

constexpr uint64_t kAlignment = 64;

uint64_t bytes_of_block(int num_layers, size_t row_bytes, int block_tokens) {
  return static_cast<uint64_t>(num_layers) * block_tokens * row_bytes;
}

uint64_t generations_start(uint64_t block_bytes, int num_blocks) {
  return (block_bytes * num_blocks + kAlignment - 1) / kAlignment * kAlignment;
}

}  // namespace

uint64_t KvPool::region_bytes(int num_layers, const CacheLayout& layout, int num_blocks, int block_tokens) {
  return generations_start(bytes_of_block(num_layers, layout.row_bytes, block_tokens), num_blocks) +
         sizeof(uint64_t) * num_blocks;
}

Status KvPool::create(int num_layers, const CacheLayout& layout, int num_blocks, int block_tokens,
                      std::span<std::byte> region, std::unique_ptr<KvPool>* out) {
  constexpr int kMostBlocks = 1 << 24;
  constexpr int kMostTokens = 1 << 12;
  if (num_blocks < 1 || num_blocks > kMostBlocks)
    return {Code::kInvalidArgument, "numBlocks must be 1 to " + std::to_string(kMostBlocks)};
  if (block_tokens < 1 || block_tokens > kMostTokens)
    return {Code::kInvalidArgument, "blockTokens must be 1 to " + std::to_string(kMostTokens)};
  const uint64_t bytes = region_bytes(num_layers, layout, num_blocks, block_tokens);
  std::unique_ptr<KvPool> pool(new KvPool);
  if (region.empty()) {
    void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
      return {Code::kResourceExhausted, "no memory for " + std::to_string(bytes) + " bytes of KV blocks"};
    pool->data_ = static_cast<std::byte*>(data);
    pool->mapped_bytes_ = bytes;
  } else {
    if (region.size() < bytes) {
      return {Code::kResourceExhausted, "the communicator's app area has " + std::to_string(region.size()) +
                                            " bytes, " + std::to_string(num_blocks) + " KV blocks need " +
                                            std::to_string(bytes)};
    }
    pool->data_ = region.data();
  }
  pool->block_bytes_ = bytes_of_block(num_layers, layout.row_bytes, block_tokens);
  pool->num_layers_ = num_layers;
  pool->row_bytes_ = layout.row_bytes;
  pool->num_blocks_ = num_blocks;
  pool->block_tokens_ = block_tokens;
  *out = std::move(pool);
  return {};
}

KvPool::~KvPool() {
  if (mapped_bytes_ > 0) munmap(data_, mapped_bytes_);
}

uint64_t KvPool::generation_offset() const { return generations_start(block_bytes_, num_blocks_); }

KvLayerView KvPool::layer(int layer) const {
  const size_t layer_bytes = block_tokens_ * row_bytes_;
  return {data_ + layer * layer_bytes, num_layers_ * layer_bytes, block_tokens_, row_bytes_};
}

std::span<std::byte> KvPool::block(int32_t block) const { return {data_ + block * block_bytes_, block_bytes_}; }

void KvPool::raise_generation(int32_t block) {
  auto* words = reinterpret_cast<uint64_t*>(data_ + generation_offset());
  // An exchange, not a store: the block's later writes must not become visible before the raise.
  std::atomic_ref<uint64_t> word(words[block]);
  word.exchange(word.load(std::memory_order_relaxed) + 1, std::memory_order_seq_cst);
}

uint64_t KvPool::generation(int32_t block) const {
  auto* words = reinterpret_cast<uint64_t*>(data_ + generation_offset());
  return std::atomic_ref<uint64_t>(words[block]).load(std::memory_order_acquire);
}

}  // namespace switchyard::executor
