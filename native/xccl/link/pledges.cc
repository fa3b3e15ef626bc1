#include "xccl/link/pledges.h"

#include <sys/random.h>

#include <span>

#include "base/process_read.h"

namespace switchyard::xccl {
namespace {

/// 0 when there is no randomness: nothing is pledged then.
uint64_t random_nonce() {
  uint64_t nonce = 0;
  const bool is_whole = getrandom(&nonce, sizeof(nonce), 0) == static_cast<ssize_t>(sizeof(nonce));
  return is_whole ? nonce : 0;
}

}  // namespace

Pledges::Pledges(uint32_t max_ranks, uint32_t num_slots)
    : num_slots_(num_slots),
      num_words_(num_slots == 0 ? 0 : max_ranks * uint64_t{num_slots + 1}),
      words_(std::make_unique<std::atomic<uint64_t>[]>(num_words_)) {}

Pledges::~Pledges() {
  for (uint64_t i = 0; i < num_words_; ++i) words_[i].store(0, std::memory_order_seq_cst);
}

PledgeHello Pledges::begin(uint32_t rank) const {
  if (num_words_ == 0) return {};
  const uint64_t nonce = random_nonce();
  if (nonce == 0) return {};
  block(rank)->store(nonce, std::memory_order_seq_cst);
  return {reinterpret_cast<uint64_t>(block(rank)), nonce};
}

PledgeReader reader_of(int32_t pid, const PledgeHello& hello) {
  uint64_t proof = 0;
  const RemotePart part{hello.address, std::as_writable_bytes(std::span(&proof, 1))};
  if (hello.nonce == 0 || !process_read(pid, {&part, 1}) || proof != hello.nonce) return {};
  return {pid, hello};
}

}  // namespace switchyard::xccl
