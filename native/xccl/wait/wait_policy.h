// The waiting policies and their registry: how long a waiter looks, yields and then sleeps on the doorbell. Read by waiter.cc;
// the addon and the tools find a policy by its name. Decides nothing about a single wait: that is Waiter's.
// Measured choices (docs/xccl.md): with more ranks than cores spinning is 100 times slower than sleeping.
#pragma once

#include <chrono>
#include <string_view>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// A sleep ends after this long at the latest, whatever the doorbell says; after kNumShortSleeps in one wait the rank idles, and its
/// sleeps may be as long as the liveness timeout lets them, up to kIdleSleepMax (a wake costs up to 60 us).
inline constexpr std::chrono::nanoseconds kSleepMax = std::chrono::milliseconds(100);
inline constexpr std::chrono::nanoseconds kIdleSleepMax = std::chrono::milliseconds(250);
inline constexpr uint32_t kNumShortSleeps = 5;

/// How long a wait stays awake, counted from its start: it looks with pauses until spin_max, yields until yield_max, then sleeps.
struct AwakeLimits {
  std::chrono::nanoseconds spin_max;
  std::chrono::nanoseconds yield_max;
  /// A step awake that takes longer shows that a stranger has the core. Where ranks share cores a yield also lasts for what the
  /// others have to do; a stranger's time slice is some 3 ms.
  std::chrono::nanoseconds step_max;
};

struct WaitPolicyRow {
  const char* name;
  WaitPolicy policy;
  AwakeLimits roomy;    // every rank here has a core to itself
  AwakeLimits crowded;  // ranks share cores: who looks keeps the core from whom it waits for
  bool is_adaptive;     // gives the awake phases up where they did not pay (Waiter)
};

const WaitPolicyRow& wait_policy_row(WaitPolicy policy);

/// Finds a policy by its name (auto, spin, yield, futex): SWITCHYARD_XCCL_WAIT forces one. InvalidArgument lists the names.
Status wait_policy_from_name(std::string_view name, WaitPolicy* out);

}  // namespace switchyard::xccl
