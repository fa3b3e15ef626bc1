#include "xccl/p2p/offer_reader.h"

#include "base/process_read.h"

namespace switchyard::xccl {
namespace {

/// Some milliseconds: a busy rank progresses in between.
constexpr uint64_t kPieceBytes = 16 << 20;

bool read_pledge(const PledgeReader& peer, const Offer& offer, uint64_t* pledge) {
  const RemotePart word{peer.slot_address(offer.slot), std::as_writable_bytes(std::span(pledge, 1))};
  return process_read(peer.pid, {&word, 1});
}

}  // namespace

OfferEnd OfferReader::read(const LinkRef& link, const Offer& offer, std::span<std::byte> into) {
  const PledgeReader& peer = link.target().pull.reader;
  uint64_t pledge = 0;
  bool is_whole = false;
  if (offer.is_core_free && into.size() >= kHelpedBytesMin) {
    is_whole = helper_.read(link, RemoteSource{peer.pid, offer.address}, into) && read_pledge(peer, offer, &pledge);
  } else {
    is_whole = read_alone(peer, offer, into, &pledge);
  }
  // What failed may have failed because of what the pledge now says.
  if (!is_whole && !read_pledge(peer, offer, &pledge)) return OfferEnd::kGone;
  if (pledge == ~peer.word_of(offer.chunk)) return OfferEnd::kRetracted;
  if (pledge != peer.word_of(offer.chunk)) return OfferEnd::kGone;
  return is_whole ? OfferEnd::kTaken : OfferEnd::kUnreadable;
}

/// The last piece and the pledge after it in one call.
bool OfferReader::read_alone(const PledgeReader& peer, const Offer& offer, std::span<std::byte> into,
                             uint64_t* pledge) {
  uint64_t address = offer.address;
  while (into.size() > kPieceBytes) {
    const RemotePart piece{address, into.first(kPieceBytes)};
    if (!process_read(peer.pid, {&piece, 1})) return false;
    address += kPieceBytes;
    into = into.subspan(kPieceBytes);
    local_.progress();
  }
  const RemotePart parts[] = {{address, into},
                              {peer.slot_address(offer.slot), std::as_writable_bytes(std::span(pledge, 1))}};
  return process_read(peer.pid, parts);
}

}  // namespace switchyard::xccl
