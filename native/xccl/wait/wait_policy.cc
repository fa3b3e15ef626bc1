#include "xccl/wait/wait_policy.h"

#include <sched.h>

namespace switchyard::xccl {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

struct PolicyRow {
  const char* name;
  WaitPolicy policy;
  nanoseconds spin_max;
  nanoseconds yield_max;
};

constexpr PolicyRow kPolicies[] = {
    {"auto", WaitPolicy::kAuto, nanoseconds(0), microseconds(50)},
    {"spin", WaitPolicy::kSpin, nanoseconds::max(), nanoseconds(0)},
    {"yield", WaitPolicy::kYield, nanoseconds(0), nanoseconds::max()},
    {"futex", WaitPolicy::kFutex, nanoseconds(0), nanoseconds(0)},
};

constexpr nanoseconds kYieldSlow = microseconds(100);

const PolicyRow& row_of(WaitPolicy policy) {
  for (const PolicyRow& row : kPolicies) {
    if (row.policy == policy) return row;
  }
  return kPolicies[0];
}

void cpu_relax() {
#if defined(__x86_64__)
  asm volatile("pause");
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace

Status wait_policy_from_name(std::string_view name, WaitPolicy* out) {
  std::string known;
  for (const PolicyRow& row : kPolicies) {
    if (name == row.name) {
      *out = row.policy;
      return {};
    }
    known += known.empty() ? row.name : std::string(", ") + row.name;
  }
  return {Code::kInvalidArgument, "unknown waiting policy '" + std::string(name) + "'; known: " + known};
}

WaitPhases::WaitPhases(WaitPolicy policy) : spin_max_(row_of(policy).spin_max), yield_max_(row_of(policy).yield_max) {}

bool WaitPhases::pause(std::chrono::steady_clock::time_point now) {
  if (start_ == std::chrono::steady_clock::time_point{}) start_ = now;
  const nanoseconds spent = now - start_;
  if (spent < spin_max_) {
    cpu_relax();
    return true;
  }
  if (spent >= yield_max_) return false;
  sched_yield();
  const bool is_endless = yield_max_ == nanoseconds::max();
  if (!is_endless && std::chrono::steady_clock::now() - now > kYieldSlow) yield_max_ = nanoseconds(0);
  return true;
}

}  // namespace switchyard::xccl
