// When an expert rank may begin an event in barrier mode: the gate holds arrivals until all active attention ranks have sent for
// their event. Pure bookkeeping of one micro-batch, driven by Expert; it knows neither links nor slots.
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
    kBreak,    // `ranks` wait in vain for blamed_rank: it is gone, has moved on, or holds another mask
  };
  struct Decision {
    Verdict verdict = Verdict::kHold;
    uint64_t ranks = 0;
    uint32_t blamed_rank = 0;
    bool is_dead = false;         // kBreak: because blamed_rank is gone
    bool has_other_mask = false;  // kBreak: because its mask differs
  };

  BarrierGate(uint64_t attention_mask, uint64_t expert_mask)
      : attention_mask_(attention_mask), expert_mask_(expert_mask) {}

  /// Bit r: rank r has sent.
  uint64_t held() const { return held_; }
  void hold(uint32_t rank, const EventId& event, uint64_t active_mask);
  void drop(uint32_t rank) { held_ &= ~(uint64_t{1} << rank); }

  /// Looks at the earliest event held. `gone_mask`: ranks that neither send nor answer any more. An event with such an expert rank
  /// is broken at once: it has failed for all, and some may not send for it any more. What is released or broken is held no more;
  /// call again until kHold.
  Decision next(uint64_t gone_mask);

 private:
  uint64_t earliest() const;
  uint64_t with_other_mask(uint64_t ranks) const;

  uint64_t attention_mask_;  // who takes part when active
  uint64_t expert_mask_;
  uint64_t held_ = 0;
  std::array<EventId, kNumRanksMax> events_{};
  std::array<uint64_t, kNumRanksMax> masks_{};
};

}  // namespace switchyard::xccl
