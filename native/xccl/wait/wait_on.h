// wait_on: the one loop by which a rank waits for words of its own segment. The policy (spin, yield, futex, auto) only decides
// how time passes between two checks. Since a rank never waits on a peer's memory, this is the same for every fabric.
#pragma once

#include <algorithm>
#include <chrono>

#include "xccl/wait/doorbell.h"
#include "xccl/wait/wait_policy.h"

namespace switchyard::xccl {

/// Calls `check` until it returns 0 (true) or the deadline has passed (false). `check` returns how many arrivals are missing at
/// least, and looks at the fields by seq_cst loads. `on_wake` runs after every sleep, at least every `sleep_max`.
template <class Check, class OnWake>
bool wait_on(Doorbell& bell, WaitPolicy policy, Deadline deadline, Check&& check, OnWake&& on_wake,
             std::chrono::nanoseconds sleep_max = kSleepMax) {
  WaitPhases phases(policy);
  for (;;) {
    if (check() == 0) return true;
    const auto now = std::chrono::steady_clock::now();
    if (now >= deadline) return false;
    if (phases.pause(now)) continue;
    const auto left = std::min<std::chrono::nanoseconds>(deadline - now, sleep_max);
    const bool is_done = doorbell_sleep(bell, check, static_cast<uint64_t>(left.count()));
    on_wake();
    if (is_done) return true;
  }
}

}  // namespace switchyard::xccl
