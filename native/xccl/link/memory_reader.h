// Who may read whose private memory, and whether a message there still stands (p2p). In the handshake each side names an address and a
// random nonce that lies there, and the other shows that it can read it: the proof. A message is then offered where it lies. Whether it
// lies there unchanged say words in the offering rank's own control segment (layout/ring_layout.h), which only that rank writes and its
// peer's receiver looks at after it has read the message, if the process lives:
//
//   nonce           the link's      the rank still sends on this link; else nothing that was offered on it stands
//   word of slot s  nonce ^ n       message n, offered in slot s, was retracted: its memory is the caller's again
//                   anything else   it stands
//
// The nonce is new for each handshake, so neither a process that got the pid of a dead peer nor another link of the same ranks can hold
// it, or retract by it, by accident.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>

#include "xccl/layout/ctrl_layout.h"

namespace switchyard::xccl {

/// Where a rank's proof for one peer lies in its private memory, and the nonce there: told in the handshake. All 0: it offers nothing.
struct ProofHello {
  uint64_t address = 0;
  uint64_t nonce = 0;
};

/// The nonces of this rank, one a peer. They go with this object, and so does the proof.
class MemoryProofs {
 public:
  explicit MemoryProofs(uint32_t max_ranks);
  ~MemoryProofs();
  MemoryProofs(const MemoryProofs&) = delete;

  /// A new nonce for a new handshake with `rank`.
  ProofHello begin(uint32_t rank) const;

 private:
  uint32_t max_ranks_;
  std::unique_ptr<std::atomic<uint64_t>[]> nonces_;
};

/// Where a rank says which of its offers to a peer stand.
struct OfferWords {
  std::atomic<uint64_t> nonce;  // of the link that it sends on

  /// By slot.
  std::atomic<uint64_t>& retraction(uint32_t slot) { return (&nonce)[1 + slot]; }
  const std::atomic<uint64_t>& retraction(uint32_t slot) const { return (&nonce)[1 + slot]; }

  /// In the control segment of the rank that offers: those for `rank`.
  static OfferWords* of(std::byte* ctrl, const CtrlLayout& layout, uint32_t rank) {
    return reinterpret_cast<OfferWords*>(ctrl + layout.offer_words(rank));
  }
};

/// What retracts a chunk.
constexpr uint64_t retraction_of(uint64_t nonce, uint64_t chunk) { return nonce ^ chunk; }

/// The peer's memory as this rank reads it. Part of a link.
struct MemoryReader {
  int32_t pid = 0;  // by the kernel (SO_PEERCRED), never by the peer; 0: this rank cannot read the peer's memory
  ProofHello hello;
  // In the peer's segment, mapped here as long as the link.
  const OfferWords* words = nullptr;
  const AliveLine* alive = nullptr;  // null: the peer is this process

  /// Has it been the peer, all the time until now, that has this pid? A dead process's words are marked before its pid is free.
  bool is_alive() const { return !alive || alive->is_held(); }
  /// Does the proof still lie there? A process that is dying loses its memory before its words are marked.
  bool is_readable() const;
};

/// Reads the proof: the pid stays 0 where that fails. The words in the segment are the link's to add.
MemoryReader reader_of(int32_t pid, const ProofHello& hello);

}  // namespace switchyard::xccl
