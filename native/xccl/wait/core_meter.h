// CoreMeter: what a CoreWatch reads from the system: how long cores have idled and what threads have used. Tests derive from it and
// invent both.
#pragma once

#include <time.h>

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "xccl/types.h"

namespace switchyard::xccl {

/// Since the system's start; nothing where it is not known.
using IdleTime = std::optional<std::chrono::nanoseconds>;

class CoreMeter {
 public:
  virtual ~CoreMeter() = default;
  virtual Deadline now() const { return std::chrono::steady_clock::now(); }
  /// Of each of these cores. One read of /proc/stat: some 30 us on a small machine.
  virtual std::vector<IdleTime> idle_times(std::span<const uint32_t> cores) const;
  /// What a thread has used since its start; nothing when its clock cannot be read.
  virtual std::optional<std::chrono::nanoseconds> used(clockid_t thread) const;
};

/// The idle times in a text such as /proc/stat has. Idling is counted by the nanosecond, while the columns of what cores do come from
/// looks at each tick and are some 7% off in 100 ms. A core without a whole line has none, nor has one whose line says nothing but 0, as in
/// sandboxes.
std::vector<IdleTime> idle_times_from_text(std::string_view text, std::span<const uint32_t> cores);

}  // namespace switchyard::xccl
