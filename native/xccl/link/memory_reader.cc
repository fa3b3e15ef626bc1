#include "xccl/link/memory_reader.h"

#include <sys/random.h>

#include <span>

#include "base/process_read.h"

namespace switchyard::xccl {
namespace {

/// 0 when there is no randomness: nothing is offered then.
uint64_t random_nonce() {
  uint64_t nonce = 0;
  const bool is_whole = getrandom(&nonce, sizeof(nonce), 0) == static_cast<ssize_t>(sizeof(nonce));
  return is_whole ? nonce : 0;
}

}  // namespace

MemoryProofs::MemoryProofs(uint32_t max_ranks)
    : max_ranks_(max_ranks), nonces_(std::make_unique<std::atomic<uint64_t>[]>(max_ranks)) {}

MemoryProofs::~MemoryProofs() {
  for (uint32_t rank = 0; rank < max_ranks_; ++rank) nonces_[rank].store(0, std::memory_order_seq_cst);
}

ProofHello MemoryProofs::begin(uint32_t rank) const {
  const uint64_t nonce = random_nonce();
  if (nonce == 0) return {};
  nonces_[rank].store(nonce, std::memory_order_seq_cst);
  return {reinterpret_cast<uint64_t>(&nonces_[rank]), nonce};
}

bool MemoryReader::is_readable() const {
  uint64_t proof = 0;
  const std::span<std::byte> into = std::as_writable_bytes(std::span(&proof, 1));
  return hello.nonce != 0 && process_read(pid, hello.address, into) && proof == hello.nonce;
}

MemoryReader reader_of(int32_t pid, const ProofHello& hello) {
  MemoryReader reader;
  reader.pid = pid;
  reader.hello = hello;
  return reader.is_readable() ? reader : MemoryReader{};
}

}  // namespace switchyard::xccl
