#include "xccl/p2p/ring_reader.h"

namespace switchyard::xccl {

void RingReader::begin(LocalRank& local, uint32_t src, const LinkRef& link) {
  *this = RingReader{};
  serial_ = link.serial();
  taken_ = &local.peers().entry(src).num_ring_taken;
  const CtrlLayout& mine = local.layout();
  num_slots_ = mine.shapes.ring.num_slots;
  slot_bytes_ = mine.shapes.ring.slot_bytes;
  const std::byte* ring = local.ctrl().data() + mine.ring(src);
  fields_ = reinterpret_cast<const RingField*>(ring + RingLayout::field(0));
  slots_ = ring + mine.ring_layout().slot(0);
  ack_offset_ = link.target().layout.ring(local.config().rank) + RingLayout::ack_offset();
}

std::string RingReader::impossible_text() const {
  return "ring sequence number " + std::to_string(field().seq.load(std::memory_order_seq_cst)) + " instead of " +
         std::to_string(num_taken_ + 1);
}

Status RingReader::acknowledge(Fabric& fabric) {
  if (num_acked_ == num_taken_) return {};
  num_acked_ = num_taken_;
  return fabric.put_with_signal(0, {}, {ack_offset_, num_taken_, CtrlLayout::bell(bell_of(Bell::kRingAck))});
}

}  // namespace switchyard::xccl
