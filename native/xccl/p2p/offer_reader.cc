#include "xccl/p2p/offer_reader.h"

#include <algorithm>

#include "base/process_read.h"

namespace switchyard::xccl {
namespace {

/// Some milliseconds: a busy rank progresses in between.
constexpr uint64_t kPieceBytes = 16 << 20;

}  // namespace

OfferEnd OfferReader::read(const LinkRef& link, const Offer& offer, std::span<std::byte> into) {
  const MemoryReader& peer = link.target().pull.reader;
  const bool is_shared = offer.is_core_free && into.size() >= kHelpedBytesMin;
  const bool is_whole = is_shared ? helper_.read(link, RemoteSource{peer.pid, offer.address}, into)
                                  : read_alone(peer, offer.address, into);
  const uint64_t nonce = peer.hello.nonce;
  const uint64_t retracted = peer.words->retraction(offer.slot).load(std::memory_order_acquire);
  if (retracted == retraction_of(nonce, offer.chunk)) return OfferEnd::kRetracted;
  const bool is_over = peer.words->nonce.load(std::memory_order_acquire) != nonce;
  if (is_over || !peer.is_alive() || (!is_whole && !peer.is_readable())) return OfferEnd::kGone;
  return is_whole ? OfferEnd::kTaken : OfferEnd::kUnreadable;
}

bool OfferReader::read_alone(const MemoryReader& peer, uint64_t address, std::span<std::byte> into) {
  while (!into.empty()) {
    const size_t num_bytes = std::min<size_t>(into.size(), kPieceBytes);
    if (!process_read(peer.pid, address, into.first(num_bytes))) return false;
    address += num_bytes;
    into = into.subspan(num_bytes);
    if (!into.empty()) local_.progress();
  }
  return true;
}

}  // namespace switchyard::xccl
