#include "xccl/p2p/ring_writer.h"

#include <string>

namespace switchyard::xccl {

void RingWriter::begin(const LocalRank& local, uint32_t dest, const LinkRef& link) {
  *this = RingWriter{};
  serial_ = link.serial();
  const CtrlLayout& theirs = link.target().layout;
  const uint64_t ring = theirs.ring(local.config().rank);
  num_slots_ = theirs.shapes.ring.num_slots;
  slot_bytes_ = theirs.shapes.ring.slot_bytes;
  fields_ = ring + RingLayout::field(0);
  slots_ = ring + theirs.ring_layout().slot(0);
  const auto map_bell = [&](Bell bell) {
    return reinterpret_cast<Doorbell*>(
        link.fabric().map(Area::kCtrl, CtrlLayout::bell(bell_of(bell)), sizeof(Doorbell)));
  };
  mapped_bell_ = map_bell(Bell::kRing);
  mapped_helper_bell_ = map_bell(Bell::kPullHelp);
  std::byte* fields = link.fabric().map(Area::kCtrl, fields_, uint64_t{num_slots_} * sizeof(RingField));
  if (mapped_bell_) mapped_fields_ = reinterpret_cast<RingField*>(fields);
  own_nonce_ = link.target().pull.own_nonce;
  // Ends whatever was offered on the link before: who was stopped while it read that may not know yet that its link has ended.
  offer_words_ = &local.offer_words(dest);
  offer_words_->nonce.exchange(own_nonce_, std::memory_order_seq_cst);
  ack_ = reinterpret_cast<const RingAck*>(local.ctrl().data() + local.layout().ring(dest));
}

Status RingWriter::put_field(Fabric& fabric, const RingBody& body) {
  const uint64_t field = fields_ + slot_idx() * uint64_t{sizeof(RingField)};
  num_published_ += 1;
  const Signal signal{field + offsetof(RingField, seq), num_published_, CtrlLayout::bell(bell_of(Bell::kRing))};
  return fabric.put_with_signal(field + offsetof(RingField, body), std::as_bytes(std::span(&body, 1)), signal);
}

Status RingWriter::refresh() {
  const uint64_t acked = ack_->seq.load(std::memory_order_seq_cst);
  if (acked < num_acked_ || acked > num_published_) {
    return {Code::kCorrupt, "acknowledgement of chunk " + std::to_string(acked) + " when " +
                                std::to_string(num_acked_) + " to " + std::to_string(num_published_) +
                                " were possible"};
  }
  num_acked_ = acked;
  return {};
}

}  // namespace switchyard::xccl
