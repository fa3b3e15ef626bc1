// The waiting policies and their registry: what a waiter does between two looks before it sleeps on the doorbell.
// Measured choices (docs/xccl.md): with more ranks than cores spinning is 100 times slower than sleeping; a yield that takes
// over 100 us means that somebody else has the core, and then only the futex helps.
#pragma once

#include <chrono>
#include <string>
#include <string_view>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// A sleep ends after this long at the latest, whatever the doorbell says.
inline constexpr std::chrono::nanoseconds kSleepMax = std::chrono::milliseconds(100);

/// Finds a policy by its name (auto, spin, yield, futex): SWITCHYARD_XCCL_WAIT forces one. InvalidArgument lists the names.
Status wait_policy_from_name(std::string_view name, WaitPolicy* out);

/// The awake phases of one wait.
class WaitPhases {
 public:
  explicit WaitPhases(WaitPolicy policy);

  /// Passes a moment awake and returns true, or returns false when it is time to sleep.
  bool pause(std::chrono::steady_clock::time_point now);

 private:
  std::chrono::nanoseconds spin_max_;
  std::chrono::nanoseconds yield_max_;
  std::chrono::steady_clock::time_point start_{};
};

}  // namespace switchyard::xccl
