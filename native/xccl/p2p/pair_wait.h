// How a point-to-point call waits: a moment of looks without a clock, since the peer is usually quicker than one clock reading, then
// by the communicator's policy.
#pragma once

#include "xccl/link/local_rank.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {

inline constexpr uint32_t kNumQuickLooks = 200;

/// Also lowers the contention for the line that is looked at.
inline void look_pause() {
#if defined(__x86_64__)
  asm volatile("pause");
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// As wait_on. `before_rest` runs once, when the quick looks have found nothing.
template <class Check, class BeforeRest>
bool wait_pair(LocalRank& local, Bell bell, Deadline deadline, Check&& check, BeforeRest&& before_rest,
               std::chrono::nanoseconds sleep_max = kSleepMax) {
  for (uint32_t i = 0; i < kNumQuickLooks; ++i) {
    if (check() == 0) return true;
    look_pause();
  }
  before_rest();
  return wait_on(
      local.bell(bell_of(bell)), local.config().wait_policy, deadline, check, [&] { local.progress(); }, sleep_max);
}

}  // namespace switchyard::xccl
