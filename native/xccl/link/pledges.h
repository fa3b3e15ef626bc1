// Pledges: what this rank promises about the messages that it offers to peers where they lie, in its own memory (p2p). One word a slot
// of each peer's ring, in private memory: only this rank writes it, and the peer's receiver reads it by process_vm_readv, in the
// same call as the message and after it.
//
//   word of slot s    nonce ^ n     message n, offered in slot s, lies unchanged at its address
//                     ~(nonce ^ n)  it was retracted: its memory is the caller's again
//   anything else                   this is not the memory that the link leads to: that process is gone
//
// The nonce is random, new for each handshake and known to nobody else, so neither a process that got the pid of a dead peer nor
// another link of the same ranks can hold the word by accident.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

namespace switchyard::xccl {

/// Where a rank's pledges to one peer lie in its memory, and their nonce: told in the handshake. All 0: it makes none.
struct PledgeHello {
  uint64_t address = 0;  // of the proof; the words of the slots follow
  uint64_t nonce = 0;
};

class Pledges {
 public:
  /// `num_slots` 0: none.
  Pledges(uint32_t max_ranks, uint32_t num_slots);
  /// Retracts everything.
  ~Pledges();
  Pledges(const Pledges&) = delete;

  /// A new nonce for a new handshake with `rank`, proved in memory: the peer shows that it can read it.
  PledgeHello begin(uint32_t rank) const;
  /// The words of the slots of `rank`'s ring: [num_slots].
  std::atomic<uint64_t>* slots(uint32_t rank) const { return block(rank) + 1; }

 private:
  std::atomic<uint64_t>* block(uint32_t rank) const { return words_.get() + rank * uint64_t{num_slots_ + 1}; }

  uint32_t num_slots_;
  uint64_t num_words_;
  std::unique_ptr<std::atomic<uint64_t>[]> words_;
};

/// A peer's side of it, as this rank reads it. Part of a link.
struct PledgeReader {
  int32_t pid = 0;  // by the kernel (SO_PEERCRED), never by the peer; 0: this rank cannot read the peer's memory
  PledgeHello hello;

  uint64_t slot_address(uint32_t slot) const { return hello.address + (1 + uint64_t{slot}) * sizeof(uint64_t); }
  uint64_t word_of(uint64_t chunk) const { return hello.nonce ^ chunk; }
};

/// Reads the proof: the pid stays 0 where that fails.
PledgeReader reader_of(int32_t pid, const PledgeHello& hello);

}  // namespace switchyard::xccl
