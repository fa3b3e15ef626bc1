// When an expert rank may begin an event in barrier mode: the gate holds arrivals until all active attention ranks have sent for
// their event. Pure bookkeeping of one micro-batch, driven by Expert; it knows neither links nor slots, and the time is told to it.
#pragma once

#include <array>
#include <cstdint>

#include "xccl/types.h"

namespace switchyard::xccl {

class BarrierGate {
 public:
  enum class Verdict : uint8_t {
    kHold,     // arrivals are missing
    kRelease,  // `ranks` have all sent for one event
    kBreak,    // `ranks` wait in vain for blamed_rank: `code` says why
  };
  struct Decision {
    Verdict verdict = Verdict::kHold;
    uint64_t ranks = 0;
    uint32_t blamed_rank = 0;
    /// kBreak: PeerDead; Mismatch: it is past the event, or holds another mask; Timeout: it lives and has not sent.
    Code code = Code::kOk;
    bool has_other_mask = false;
  };

  explicit BarrierGate(const ExchangePlan& plan)
      : attention_mask_(plan.attention_mask), expert_mask_(plan.expert_mask), patience_(plan.barrier_timeout) {}

  /// Bit r: rank r has sent.
  uint64_t held() const { return held_; }
  void hold(uint32_t rank, const EventId& event, uint64_t active_mask, Deadline now);
  /// What a rank sent for this event was refused: nobody needs to wait for it.
  void pass_over(uint32_t rank, const EventId& event);
  /// These ranks have died: their successors begin anew.
  void forget(uint64_t ranks) { known_ &= ~ranks; }
  /// What is held for a rank has lost its sender, which the next look at the ranks will show.
  void drop(uint32_t rank) {
    held_ &= ~(uint64_t{1} << rank);
    forget(uint64_t{1} << rank);
  }

  /// Looks at the earliest event held. `gone_mask`: ranks that neither send nor answer any more. An event with such an expert rank
  /// is broken at once: it has failed for all, and some may not send for it any more. What is released or broken is held no more;
  /// call again until kHold.
  Decision next(uint64_t gone_mask, Deadline now);

 private:
  uint64_t earliest() const;
  uint64_t with_other_mask(uint64_t ranks) const;
  uint64_t past(const EventId& event, uint64_t ranks) const;
  /// True when one of these, which are held, has been so for longer than the patience.
  bool is_overdue(uint64_t ranks, Deadline now) const;

  uint64_t attention_mask_;  // who takes part when active
  uint64_t expert_mask_;
  std::chrono::milliseconds patience_;
  uint64_t held_ = 0;
  uint64_t known_ = 0;                          // bit r: events_[r] is rank r's last
  std::array<EventId, kNumRanksMax> events_{};  // by rank, like those below
  std::array<uint64_t, kNumRanksMax> masks_{};
  std::array<Deadline, kNumRanksMax> since_{};
};

}  // namespace switchyard::xccl
