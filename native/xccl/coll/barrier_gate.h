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
    kBreak,    // `ranks` wait in vain for blamed_rank: it is dead, has moved on, or holds another mask
  };
  struct Decision {
    Verdict verdict = Verdict::kHold;
    uint64_t ranks = 0;
    uint32_t blamed_rank = 0;
    bool is_dead = false;         // kBreak: because blamed_rank is dead
    bool has_other_mask = false;  // kBreak: because its mask differs
  };

  bool is_empty() const { return held_ == 0; }
  void hold(uint32_t rank, const EventId& event, uint64_t active_mask);

  /// Looks at the earliest event held. `attention_mask`: who takes part when active; `dead_mask`: who will not come. What is
  /// released or broken is held no more; call again until kHold.
  Decision next(uint64_t attention_mask, uint64_t dead_mask);

 private:
  uint64_t earliest() const;

  uint64_t held_ = 0;  // bit r: rank r has sent
  std::array<EventId, kNumRanksMax> events_{};
  std::array<uint64_t, kNumRanksMax> masks_{};
};

}  // namespace switchyard::xccl
