#include "xccl/p2p/ring_reader.h"

#include <span>
#include <utility>

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
  ack_line_ = link.target().layout.ring(local.config().rank);
}

std::string RingReader::impossible_text() const {
  return "ring sequence number " + std::to_string(next_field().seq.load(std::memory_order_seq_cst)) + " instead of " +
         std::to_string(num_taken_ + 1);
}

Status RingReader::acknowledge(Fabric& fabric) {
  if (num_acked_ == num_taken_) return {};
  num_acked_ = num_taken_;
  const Signal signal{ack_line_ + RingLayout::ack_offset(), num_taken_, CtrlLayout::bell(bell_of(Bell::kRingAck))};
  if (time_.bits == 0) return fabric.put_with_signal(0, {}, signal);
  const TakenTime time = std::exchange(time_, {});
  return fabric.put_with_signal(ack_line_ + RingLayout::taken_time_offset(), std::as_bytes(std::span(&time, 1)),
                                signal);
}

}  // namespace switchyard::xccl
