// wait_on: the one loop by which a rank waits for words of its own segment. The waiter's policy (spin, yield, futex, auto) only
// decides how time passes between two looks. Since a rank never waits on a peer's memory, this is the same for every fabric.
#pragma once

#include <sched.h>

#include <algorithm>
#include <chrono>

#include "base/cpu_relax.h"
#include "xccl/wait/doorbell.h"
#include "xccl/wait/waiter.h"

namespace switchyard::xccl {

/// Looks between two readings of the clock (30 ns; a look and a pause are about 20), and before the first.
inline constexpr uint32_t kNumLooksAtOnce = 32;
inline constexpr uint32_t kNumFirstLooks = 64;

/// A deadline for waits that only look once.
inline constexpr Deadline kOnlyLook{};

template <class Check>
bool look_often(Check& check, uint32_t num_looks) {
  for (uint32_t i = 0; i < num_looks; ++i) {
    cpu_relax();
    if (check() == 0) return true;
  }
  return false;
}

template <class Check>
bool take_step(Waiter& waiter, WaitStep step, Check& check, std::chrono::nanoseconds sleep_max) {
  if (step == WaitStep::kLook) return look_often(check, kNumLooksAtOnce);
  if (step == WaitStep::kYield) {
    sched_yield();
    return check() == 0;
  }
  return doorbell_sleep(waiter.bell(), check, static_cast<uint64_t>(sleep_max.count())) || check() == 0;
}

/// The part of wait_on that follows when the first look found something missing.
template <class Check, class OnWake>
[[gnu::noinline]] bool wait_longer(Waiter& waiter, Deadline deadline, Check& check, OnWake& on_wake,
                                   std::chrono::nanoseconds sleep_max) {
  if (deadline == kOnlyLook) return false;
  if (waiter.may_spin() && look_often(check, kNumFirstLooks)) return true;
  if (waiter.may_yield_untimed()) {
    sched_yield();
    if (check() == 0) {
      waiter.note_untimed();
      return true;
    }
  }
  WaitCourse course(waiter);
  Deadline last_wake = course.now();
  uint32_t num_wakes = 0;
  for (bool is_done = false; !is_done;) {
    const WaitStep step = course.next();
    if (course.now() >= deadline) {
      course.finish();
      return false;
    }
    const bool is_idle = num_wakes >= kNumShortSleeps && sleep_max == kSleepMax;
    const auto sleep = is_idle ? waiter.idle_sleep() : sleep_max;
    is_done = take_step(waiter, step, check, std::min<std::chrono::nanoseconds>(deadline - course.now(), sleep));
    if (step != WaitStep::kSleep && course.now() - last_wake < sleep_max) continue;
    last_wake = course.now();
    num_wakes += 1;
    on_wake();
  }
  course.finish();
  return true;
}

/// Calls `check` until it returns 0 (true) or the deadline has passed (false); the first look costs nothing else. `check` returns
/// how many arrivals are missing at least, and looks at the fields by seq_cst loads. `on_wake` runs after every sleep, and
/// every `sleep_max` that is spent awake.
template <class Check, class OnWake>
bool wait_on(Waiter& waiter, Deadline deadline, Check&& check, OnWake&& on_wake,
             std::chrono::nanoseconds sleep_max = kSleepMax) {
  if (check() == 0) return true;
  return wait_longer(waiter, deadline, check, on_wake, sleep_max);
}

}  // namespace switchyard::xccl
