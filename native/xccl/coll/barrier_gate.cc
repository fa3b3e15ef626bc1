#include "xccl/coll/barrier_gate.h"

#include <bit>
#include <tuple>

namespace switchyard::xccl {
namespace {

bool is_before(const EventId& a, const EventId& b) { return std::tie(a.step, a.layer) < std::tie(b.step, b.layer); }

uint32_t lowest(uint64_t mask) { return static_cast<uint32_t>(std::countr_zero(mask)); }

}  // namespace

void BarrierGate::hold(uint32_t rank, const EventId& event, uint64_t active_mask) {
  held_ |= uint64_t{1} << rank;
  events_[rank] = event;
  masks_[rank] = active_mask;
}

/// The ranks that hold the earliest event.
uint64_t BarrierGate::earliest() const {
  uint64_t ranks = 0;
  for (uint64_t left = held_; left != 0; left &= left - 1) {
    const uint32_t rank = lowest(left);
    if (ranks != 0 && is_before(events_[lowest(ranks)], events_[rank])) continue;
    const bool is_new = ranks == 0 || is_before(events_[rank], events_[lowest(ranks)]);
    ranks = (is_new ? 0 : ranks) | uint64_t{1} << rank;
  }
  return ranks;
}

/// Of the ranks that hold one event, those whose mask is not that of the first.
uint64_t BarrierGate::with_other_mask(uint64_t ranks) const {
  uint64_t others = 0;
  for (uint64_t left = ranks; left != 0; left &= left - 1) {
    if (masks_[lowest(left)] != masks_[lowest(ranks)]) others |= left & -left;
  }
  return others;
}

BarrierGate::Decision BarrierGate::next(uint64_t gone_mask) {
  const uint64_t ranks = earliest();
  if (ranks == 0) return {};
  const uint64_t mask = masks_[lowest(ranks)];
  const uint64_t others = with_other_mask(ranks);
  const uint64_t missing = mask & attention_mask_ & ~ranks;
  const uint64_t gone = gone_mask & (missing | (mask & expert_mask_));
  Decision decision{Verdict::kBreak, ranks};
  if (others != 0) {
    decision.blamed_rank = lowest(others);
    decision.has_other_mask = true;
  } else if (gone != 0) {
    decision.blamed_rank = lowest(gone);
    decision.is_dead = true;
  } else if ((missing & held_) != 0) {
    decision.blamed_rank = lowest(missing & held_);
  } else if (missing != 0) {
    return {};
  } else {
    decision.verdict = Verdict::kRelease;
  }
  held_ &= ~ranks;
  return decision;
}

}  // namespace switchyard::xccl
