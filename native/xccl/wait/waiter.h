// Waiter: one doorbell of this rank together with what its last waits have taught, and WaitCourse: the course of one wait.
// Used by wait_on alone. All of it is private memory: peers see nothing but the doorbell.
//
// What a waiter learns, and only under an adaptive policy:
// - A yield, or a row of looks, that took over the limit of a step: somebody else has the core. This wait then sleeps. If it happens again
//   within 32 waits, the awake phases are banned: for 2 ms, then twice as long each time, up to 2 s. Strays cost nothing more,
//   and a busy neighbour costs one of its time slices every 2 s.
// - Waits that go on after the awake phases: after three in a row the next ones sleep at once, until one was so short that being
//   awake would have paid. So a rank that idles costs nothing, and nothing has to be tried out.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

#include "xccl/layout/ctrl_layout.h"
#include "xccl/wait/wait_policy.h"

namespace switchyard::xccl {

/// What a waiter reads the time from; tests move it by hand.
using WaitClock = Deadline (*)();

/// One thread waits on a bell at a time; the atomics only keep the hand-over from thread to thread free of races.
class Waiter {
 public:
  Waiter() = default;
  /// `is_crowded` may change at any time and outlives the waiter.
  Waiter(Doorbell& bell, WaitPolicy policy, const std::atomic<bool>& is_crowded) { bind(bell, policy, is_crowded); }
  Waiter(const Waiter&) = delete;

  void bind(Doorbell& bell, WaitPolicy policy, const std::atomic<bool>& is_crowded);
  /// Sleeps of an idle wait may last this long.
  void set_idle_sleep(std::chrono::nanoseconds idle_sleep) { idle_sleep_ = idle_sleep; }
  std::chrono::nanoseconds idle_sleep() const { return idle_sleep_; }
  void set_clock(WaitClock clock) { clock_ = clock; }

  Doorbell& bell() { return *bell_; }
  const AwakeLimits& limits() const {
    return is_crowded_->load(std::memory_order_relaxed) ? row_->crowded : row_->roomy;
  }
  /// True when a wait may begin with looks that do not read the clock.
  bool may_spin() const { return limits().spin_max.count() > 0 && !is_given_up(); }
  /// Would a wait that begins now yield first?
  bool may_begin_with_yield() const {
    return limits().spin_max.count() == 0 && limits().yield_max.count() > 0 && !is_given_up();
  }
  /// May a wait begin with a yield around which the clock is not read (2 x 30 ns)? Where it would begin with a yield anyhow, and nobody
  /// else has taken the core of late. One such wait in eight reads the clock all the same, so that a stranger is noticed.
  bool may_yield_untimed();
  /// That yield was enough.
  void note_untimed() { note_length(false); }

 private:
  friend class WaitCourse;
  static constexpr uint32_t kNumVainMax = 3;

  bool is_given_up() const {
    return num_vain_.load(std::memory_order_relaxed) >= kNumVainMax || is_banned_.load(std::memory_order_relaxed);
  }
  /// May the wait that begins now be awake? Ends a ban that is over.
  bool may_be_awake(Deadline now);
  /// Somebody else had the core.
  void note_disturbance(Deadline now);
  /// A wait ended awake, and nobody else had the core.
  void note_awake();
  /// A wait has ended; was being awake in vain, or would it have been?
  void note_length(bool is_vain);

  Doorbell* bell_ = nullptr;
  const WaitPolicyRow* row_ = nullptr;
  const std::atomic<bool>* is_crowded_ = nullptr;
  std::chrono::nanoseconds idle_sleep_ = kSleepMax;
  WaitClock clock_ = &std::chrono::steady_clock::now;
  std::atomic<uint32_t> num_vain_{0};         // waits in a row that outlasted the awake phases
  std::atomic<uint32_t> num_undisturbed_{0};  // waits awake since the last disturbance
  std::atomic<uint32_t> num_untimed_{0};      // that might begin untimed, since the last that did not
  std::atomic<bool> is_banned_{false};        // a ban is in force
  std::atomic<Deadline::rep> ban_length_{0};  // of the ban in force, or of the last
  std::atomic<Deadline::rep> ban_end_{0};
};

/// What a wait does next.
enum class WaitStep : uint8_t { kLook, kYield, kSleep };

/// One wait that its first looks did not end.
class WaitCourse {
 public:
  explicit WaitCourse(Waiter& waiter);

  Deadline now() const { return now_; }
  /// Reads the clock, but the first time, and says how to go on.
  WaitStep next();
  /// The wait is over, by arrival or deadline.
  void finish();

 private:
  void read_clock();

  Waiter& waiter_;
  const AwakeLimits limits_;
  const Deadline start_;
  Deadline now_;
  WaitStep last_ = WaitStep::kSleep;
  bool may_be_awake_;
  bool has_begun_ = false;  // now_ is older than the last step
  bool has_slept_ = false;
};

}  // namespace switchyard::xccl
