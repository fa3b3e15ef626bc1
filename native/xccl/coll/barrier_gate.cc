#include "xccl/coll/barrier_gate.h"

#include <bit>
#include <tuple>

namespace switchyard::xccl {
namespace {

bool is_before(const EventId& a, const EventId& b) { return std::tie(a.step, a.layer) < std::tie(b.step, b.layer); }

uint32_t lowest(uint64_t mask) { return static_cast<uint32_t>(std::countr_zero(mask)); }

}  // namespace

void BarrierGate::hold(uint32_t rank, const EventId& event, uint64_t active_mask, Deadline now) {
  pass_over(rank, event);
  held_ |= uint64_t{1} << rank;
  masks_[rank] = active_mask;
  since_[rank] = now;
}

void BarrierGate::pass_over(uint32_t rank, const EventId& event) {
  known_ |= uint64_t{1} << rank;
  events_[rank] = event;
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

/// Of these ranks, which hold nothing for the event, those that will not send for it any more: their last is this one or a later.
uint64_t BarrierGate::past(const EventId& event, uint64_t ranks) const {
  uint64_t past = 0;
  for (uint64_t left = ranks & known_; left != 0; left &= left - 1) {
    if (!is_before(events_[lowest(left)], event)) past |= left & -left;
  }
  return past;
}

bool BarrierGate::is_overdue(uint64_t ranks, Deadline now) const {
  for (uint64_t left = ranks; left != 0; left &= left - 1) {
    if (now - since_[lowest(left)] >= patience_) return true;
  }
  return false;
}

BarrierGate::Decision BarrierGate::next(uint64_t gone_mask, Deadline now) {
  const uint64_t ranks = earliest();
  if (ranks == 0) return {};
  const uint64_t mask = masks_[lowest(ranks)];
  const uint64_t others = with_other_mask(ranks);
  const uint64_t missing = mask & attention_mask_ & ~ranks;
  const uint64_t gone = gone_mask & (missing | (mask & expert_mask_));
  const uint64_t past_it = past(events_[lowest(ranks)], missing);
  Decision decision{Verdict::kRelease, ranks};
  if (others != 0) {
    decision = {Verdict::kBreak, ranks, lowest(others), Code::kMismatch, true};
  } else if (gone != 0) {
    decision = {Verdict::kBreak, ranks, lowest(gone), Code::kPeerDead};
  } else if (past_it != 0) {
    decision = {Verdict::kBreak, ranks, lowest(past_it), Code::kMismatch};
  } else if (missing != 0) {
    if (!is_overdue(ranks, now)) return {};
    decision = {Verdict::kBreak, ranks, lowest(missing), Code::kTimeout};
  }
  held_ &= ~ranks;
  return decision;
}

}  // namespace switchyard::xccl
