#include "xccl/coll/member_watch.h"

#include <bit>

namespace switchyard::xccl {

void MemberWatch::look(const PeerTable& peers, uint64_t mask) {
  dead_ = replaced_ = 0;
  for (uint64_t left = mask; left != 0; left &= left - 1) {
    const auto rank = static_cast<uint32_t>(std::countr_zero(left));
    const PeerEntry& entry = peers.entry(rank);
    // In this order: a link that is being published is then taken for the old one living on, never for a new one that died.
    const uint64_t epoch = entry.last_epoch.load(std::memory_order_seq_cst);
    const bool is_linked = entry.live_serial.load(std::memory_order_seq_cst) != 0;
    if (epoch != 0 && !is_linked) dead_ |= left & -left;
    if (epochs_[rank] != 0 && epochs_[rank] != epoch) replaced_ |= left & -left;
    epochs_[rank] = epoch;
  }
}

}  // namespace switchyard::xccl
