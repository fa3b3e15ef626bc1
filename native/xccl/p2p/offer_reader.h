// OfferReader: takes a message that its sender offers in its own memory (link/memory_reader.h). Used by Receiver, under a LinkRef. The
// offer's words are untrusted: its length is bounded by the receiver's buffer, and an address can only lead into the sender's process.
#pragma once

#include "xccl/p2p/read_helper.h"

namespace switchyard::xccl {

enum class OfferEnd : uint8_t {
  kTaken,
  kRetracted,   // its sender gave it up; the bytes are to be thrown away, as in all that follow
  kGone,        // the process that made it has ended, let go, or has another link by now
  kUnreadable,  // it stands, but there is no such memory: an impossible offer
};

struct Offer {
  uint64_t address = 0;  // in the sender's process
  uint64_t chunk = 0;    // its number in the ring
  uint32_t slot = 0;     // where its field lies there
  bool is_core_free = false;
};

class OfferReader {
 public:
  OfferReader(LocalRank& local, ReadHelper& helper) : local_(local), helper_(helper) {}

  /// Reads `into.size()` bytes. The link's pull terms have a reader. When the link has ended meanwhile, the result means nothing.
  OfferEnd read(const LinkRef& link, const Offer& offer, std::span<std::byte> into);

 private:
  bool read_alone(const MemoryReader& peer, uint64_t address, std::span<std::byte> into);

  LocalRank& local_;
  ReadHelper& helper_;
};

}  // namespace switchyard::xccl
