#include "xccl/wait/wait_policy.h"

#include "base/find_by_name.h"

namespace switchyard::xccl {
namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;

constexpr AwakeLimits kAsleep{nanoseconds(0), nanoseconds(0), nanoseconds::max()};
constexpr AwakeLimits kSpinning{nanoseconds::max(), nanoseconds::max(), nanoseconds::max()};
constexpr AwakeLimits kYielding{nanoseconds(0), nanoseconds::max(), nanoseconds::max()};
constexpr AwakeLimits kRoomy{microseconds(50), microseconds(200), microseconds(100)};
constexpr AwakeLimits kCrowded{nanoseconds(0), microseconds(300), microseconds(1000)};

constexpr WaitPolicyRow kPolicies[] = {
    {"auto", WaitPolicy::kAuto, kRoomy, kCrowded, true},
    {"spin", WaitPolicy::kSpin, kSpinning, kSpinning, false},
    {"yield", WaitPolicy::kYield, kYielding, kYielding, false},
    {"futex", WaitPolicy::kFutex, kAsleep, kAsleep, false},
};

}  // namespace

const WaitPolicyRow& wait_policy_row(WaitPolicy policy) {
  for (const WaitPolicyRow& row : kPolicies) {
    if (row.policy == policy) return row;
  }
  return kPolicies[0];
}

Status wait_policy_from_name(std::string_view name, WaitPolicy* out) {
  const WaitPolicyRow* row = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(find_by_name(kPolicies, "waiting policy", name, &row));
  *out = row->policy;
  return {};
}

}  // namespace switchyard::xccl
