#include "xccl/wait/waiter.h"

#include <algorithm>
#include <utility>

namespace switchyard::xccl {
namespace {

using std::chrono::microseconds;
using std::chrono::milliseconds;
using std::chrono::nanoseconds;

constexpr nanoseconds kBanMin = milliseconds(2);
constexpr nanoseconds kBanMax = std::chrono::seconds(2);
/// After this many waits awake in which nobody took the core, somebody who does is a stray: no reason for a ban.
constexpr uint32_t kNumUndisturbed = 32;
/// Waits in a row whose first yield may be untimed: a stranger takes a time slice (some 3 ms) of each until it is noticed.
constexpr uint32_t kNumUntimed = 7;
/// What a wake costs at most where being awake would have paid.
constexpr nanoseconds kWakeCost = microseconds(50);

}  // namespace

void Waiter::bind(Doorbell& bell, WaitPolicy policy, const std::atomic<bool>& is_crowded) {
  bell_ = &bell;
  row_ = &wait_policy_row(policy);
  is_crowded_ = &is_crowded;
}

bool Waiter::may_be_awake(Deadline now) {
  if (is_banned_.load(std::memory_order_relaxed)) {
    if (now.time_since_epoch().count() < ban_end_.load(std::memory_order_relaxed)) return false;
    is_banned_.store(false, std::memory_order_relaxed);
  }
  return num_vain_.load(std::memory_order_relaxed) < kNumVainMax;
}

bool Waiter::may_yield_untimed() {
  if (!may_begin_with_yield()) return false;
  if (row_->is_adaptive && num_undisturbed_.load(std::memory_order_relaxed) < kNumUndisturbed) return false;
  const uint32_t before = num_untimed_.load(std::memory_order_relaxed);
  num_untimed_.store(before < kNumUntimed ? before + 1 : 0, std::memory_order_relaxed);
  return before < kNumUntimed;
}

void Waiter::note_disturbance(Deadline now) {
  const bool is_stray = num_undisturbed_.load(std::memory_order_relaxed) >= kNumUndisturbed;
  num_undisturbed_.store(0, std::memory_order_relaxed);
  const int64_t last = is_stray ? 0 : ban_length_.load(std::memory_order_relaxed);
  const int64_t length = is_stray ? 0 : std::clamp<int64_t>(2 * last, kBanMin.count(), kBanMax.count());
  ban_length_.store(length, std::memory_order_relaxed);
  ban_end_.store(now.time_since_epoch().count() + length, std::memory_order_relaxed);
  is_banned_.store(length > 0, std::memory_order_relaxed);
}

void Waiter::note_awake() {
  const uint32_t before = num_undisturbed_.load(std::memory_order_relaxed);
  if (before < kNumUndisturbed) num_undisturbed_.store(before + 1, std::memory_order_relaxed);
}

void Waiter::note_length(bool is_vain) {
  const uint32_t before = num_vain_.load(std::memory_order_relaxed);
  const uint32_t after = is_vain ? std::min(before + 1, kNumVainMax) : 0;
  if (after != before) num_vain_.store(after, std::memory_order_relaxed);
}

WaitCourse::WaitCourse(Waiter& waiter)
    : waiter_(waiter),
      limits_(waiter.limits()),
      start_(waiter.clock_()),
      now_(start_),
      may_be_awake_(!waiter.row_->is_adaptive || waiter.may_be_awake(start_)) {}

WaitStep WaitCourse::next() {
  if (std::exchange(has_begun_, true)) read_clock();
  const nanoseconds spent = now_ - start_;
  // Whoever slept once is waiting for something long.
  if (!may_be_awake_ || has_slept_ || spent >= limits_.yield_max) {
    has_slept_ = true;
    return last_ = WaitStep::kSleep;
  }
  return last_ = spent < limits_.spin_max ? WaitStep::kLook : WaitStep::kYield;
}

/// A step awake that took long shows that somebody else has the core, also when the arrival came meanwhile.
void WaitCourse::read_clock() {
  const Deadline before = now_;
  now_ = waiter_.clock_();
  const bool was_stolen = last_ != WaitStep::kSleep && now_ - before > limits_.step_max;
  if (!was_stolen || !waiter_.row_->is_adaptive) return;
  waiter_.note_disturbance(now_);
  may_be_awake_ = false;
}

void WaitCourse::finish() {
  if (!waiter_.row_->is_adaptive) return;
  read_clock();
  if (may_be_awake_ && !has_slept_) waiter_.note_awake();
  waiter_.note_length(has_slept_ && now_ - start_ > limits_.yield_max + kWakeCost);
}

}  // namespace switchyard::xccl
