// Waiters: the course of a wait by policy and crowding, and what it learns; cores and pinning.
#include <sched.h>

#include <thread>

#include "xccl/test_support.h"
#include "xccl/wait/cores.h"
#include "xccl/wait/wait_on.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

/// The time that the waiters below live in: every look at the clock takes 1 us.
Deadline hand_time{1s};
Deadline look_at_hand_time() { return hand_time += 1us; }

struct Bench {
  Bench(WaitPolicy policy, bool crowded, WaitClock clock = look_at_hand_time)
      : is_crowded(crowded), waiter(bell, policy, is_crowded) {
    waiter.set_clock(clock);
  }
  Doorbell bell{};
  std::atomic<bool> is_crowded;
  Waiter waiter;
};

using Steps = std::vector<WaitStep>;

/// The steps of a wait of which nothing ever arrives, until it sleeps or `span` has passed.
Steps steps_of(Bench& bench, std::chrono::nanoseconds span) {
  Steps steps;
  WaitCourse course(bench.waiter);
  const Deadline end = course.now() + span;
  while (course.now() < end) {
    const WaitStep step = course.next();
    if (steps.empty() || steps.back() != step) steps.push_back(step);
    if (step == WaitStep::kSleep) break;
  }
  return steps;
}

Steps steps_of(WaitPolicy policy, bool is_crowded, std::chrono::nanoseconds span) {
  Bench bench(policy, is_crowded);
  return steps_of(bench, span);
}

/// A wait whose arrival comes this long after it went to sleep, or after the first step where it does not.
void wait_for(Waiter& waiter, std::chrono::nanoseconds span) {
  WaitCourse course(waiter);
  for (int i = 0; i < 1000 && course.next() != WaitStep::kSleep; ++i) {
  }
  hand_time += span;
  course.finish();
}

TEST(xccl_waiter_steps_follow_the_policy) {
  CHECK(steps_of(WaitPolicy::kSpin, false, 1ms) == Steps{WaitStep::kLook});
  CHECK(steps_of(WaitPolicy::kYield, false, 1ms) == Steps{WaitStep::kYield});
  CHECK(steps_of(WaitPolicy::kFutex, false, 1ms) == Steps{WaitStep::kSleep});
}

TEST(xccl_waiter_auto_spins_only_where_every_rank_has_a_core) {
  CHECK(steps_of(WaitPolicy::kAuto, false, 10s) == (Steps{WaitStep::kLook, WaitStep::kYield, WaitStep::kSleep}));
  CHECK(steps_of(WaitPolicy::kAuto, true, 10s) == (Steps{WaitStep::kYield, WaitStep::kSleep}));
}

TEST(xccl_waiter_sleeps_at_once_after_vain_waits_until_one_is_short) {
  Bench bench(WaitPolicy::kAuto, false);
  CHECK(bench.waiter.may_spin());
  for (int i = 0; i < 3; ++i) wait_for(bench.waiter, 2ms);
  CHECK(!bench.waiter.may_spin() && steps_of(bench, 10s) == Steps{WaitStep::kSleep});
  wait_for(bench.waiter, 2ms);
  CHECK(!bench.waiter.may_spin());
  // The wait sleeps at once, and being awake would have paid.
  wait_for(bench.waiter, 20us);
  CHECK(bench.waiter.may_spin());
}

/// A wait in which somebody else takes the core for 1 ms.
void wait_disturbed(Waiter& waiter) {
  WaitCourse course(waiter);
  CHECK(course.next() == WaitStep::kLook);
  hand_time += 1ms;
  CHECK(course.next() == WaitStep::kSleep);
}

TEST(xccl_waiter_sleeps_for_a_while_when_somebody_else_has_the_core) {
  Bench bench(WaitPolicy::kAuto, false);
  std::chrono::nanoseconds ban = 2ms;
  for (int i = 0; i < 4; ++i, ban *= 2) {
    wait_disturbed(bench.waiter);
    CHECK(!bench.waiter.may_spin());
    hand_time += ban - 100us;
    CHECK(steps_of(bench, 10s) == Steps{WaitStep::kSleep});
    hand_time += 100us;
    CHECK(steps_of(bench, 10us) == Steps{WaitStep::kLook});
  }
}

/// Where ranks share cores a yield lasts for what the others have to do; only a stranger's time slice is longer.
TEST(xccl_waiter_grants_the_other_ranks_of_its_core_their_work) {
  Bench bench(WaitPolicy::kAuto, true);
  const auto wait_with_yield_of = [&](std::chrono::nanoseconds length) {
    WaitCourse course(bench.waiter);
    CHECK(course.next() == WaitStep::kYield);
    hand_time += length;
    const WaitStep step = course.next();
    course.finish();
    return step;
  };
  for (int i = 0; i < 10; ++i) CHECK(wait_with_yield_of(250us) == WaitStep::kYield);
  CHECK(wait_with_yield_of(900us) == WaitStep::kSleep);
  CHECK(wait_with_yield_of(3ms) == WaitStep::kSleep);
  CHECK(steps_of(bench, 10us) == Steps{WaitStep::kSleep});
}

TEST(xccl_waiter_forgives_a_stray) {
  Bench bench(WaitPolicy::kAuto, false);
  for (int i = 0; i < 1000; ++i) {
    WaitCourse course(bench.waiter);
    (void)course.next();
    course.finish();
  }
  wait_disturbed(bench.waiter);
  CHECK(bench.waiter.may_spin());
}

/// A wait that a single yield ends; how often it read the clock.
int64_t num_readings_of_wait(Bench& bench) {
  const Deadline before = hand_time;
  int num_looks = 0;
  CHECK(wait_on(
      bench.waiter, before + 1s, [&] { return ++num_looks < 2 ? 1u : 0u; }, [] {}));
  CHECK(num_looks == 2);
  return (hand_time - before) / 1us;
}

/// One wait in eight goes by the clock, once 32 have shown that nobody else takes the core.
TEST(xccl_wait_that_one_yield_ends_seldom_reads_the_clock) {
  Bench bench(WaitPolicy::kAuto, true);
  for (int i = 0; i < 32; ++i) CHECK(num_readings_of_wait(bench) == 2);
  const auto num_readings_of_eight = [&] {
    int64_t num_readings = 0;
    for (int i = 0; i < 8; ++i) num_readings += num_readings_of_wait(bench);
    return num_readings;
  };
  CHECK(num_readings_of_eight() == 2);
  CHECK(num_readings_of_eight() == 2);
  // Somebody else had the core: it may not be a stray.
  WaitCourse course(bench.waiter);
  CHECK(course.next() == WaitStep::kYield);
  hand_time += 3ms;
  CHECK(course.next() == WaitStep::kSleep);
  CHECK(num_readings_of_wait(bench) == 2);
}

TEST(xccl_wait_yields_untimed_only_where_it_would_yield) {
  Bench yielding(WaitPolicy::kYield, false);
  CHECK(yielding.waiter.may_yield_untimed());
  Bench asleep(WaitPolicy::kFutex, true);
  CHECK(!asleep.waiter.may_yield_untimed());
  Bench roomy(WaitPolicy::kAuto, false);
  for (int i = 0; i < 100; ++i) wait_for(roomy.waiter, 0ms);
  CHECK(!roomy.waiter.may_yield_untimed());
}

TEST(xccl_wait_that_may_only_look_looks_once) {
  Bench bench(WaitPolicy::kAuto, false, std::chrono::steady_clock::now);
  int num_looks = 0;
  const auto check = [&] { return ++num_looks, 1u; };
  CHECK(!wait_on(bench.waiter, kOnlyLook, check, [] {}) && num_looks == 1);
}

TEST(xccl_wait_awake_for_long_still_makes_progress) {
  Bench bench(WaitPolicy::kYield, true, std::chrono::steady_clock::now);
  int num_wakes = 0;
  CHECK(!wait_on(
      bench.waiter, deadline_in(50ms), [] { return 1u; }, [&] { ++num_wakes; }, 5ms));
  CHECK(num_wakes >= 1);
}

TEST(xccl_wait_that_idles_sleeps_longer) {
  Bench bench(WaitPolicy::kFutex, true, std::chrono::steady_clock::now);
  bench.waiter.set_idle_sleep(400ms);
  std::vector<double> wakes_ms;
  const auto start = std::chrono::steady_clock::now();
  CHECK(!wait_on(
      bench.waiter, deadline_in(900ms), [] { return 1u; }, [&] { wakes_ms.push_back(ms_since(start)); }));
  // Five short sleeps and a long one; a loaded machine makes them fewer.
  CHECK(wakes_ms.size() <= 6);
  CHECK(wakes_ms.size() < 6 || wakes_ms[5] - wakes_ms[4] > 350);
}

TEST(xccl_cores_tell_crowding) {
  const CoreMask both = core_bit(0) | core_bit(1);
  const auto crowded = [](CoreMask own, std::vector<CoreMask> peers, uint32_t num_ranks_min = 0) {
    return is_crowded(own, peers, num_ranks_min);
  };
  CHECK(!crowded(both, {}) && !crowded(both, {both}) && crowded(both, {both, both}));
  CHECK(!crowded(core_bit(0), {core_bit(1)}) && crowded(core_bit(0), {core_bit(0)}));
  CHECK(crowded(core_bit(0), {core_bit(0), core_bit(1), core_bit(1)}));
  // Three ranks on four cores, two of them on one: the third has room.
  const CoreMask rest = core_bit(1) | core_bit(2) | core_bit(3);
  CHECK(crowded(core_bit(0), {core_bit(0), rest}) && !crowded(rest, {core_bit(0), core_bit(0)}));
  CHECK(crowded(both, {core_bit(0), core_bit(1)}) && crowded(both, {both}, 3));
  // Who does not say where it runs counts as a rank, and who does not know its own cores spins.
  CHECK(crowded(core_bit(0), {0}) && !crowded(0, {both, both, both}));
}

TEST(xccl_pinning_plan_pairs_attention_with_expert) {
  const uint32_t two[] = {4, 5};
  const PinningPlan pairs = plan_pinning(2, 2, two);
  CHECK(pairs.attention == (std::vector<uint32_t>{4, 5}) && pairs.expert == pairs.attention);
  const PinningPlan uneven = plan_pinning(3, 5, two);
  CHECK(uneven.attention == (std::vector<uint32_t>{4, 5, 4}));
  CHECK(uneven.expert == (std::vector<uint32_t>{4, 5, 4, 5, 4}));
  const uint32_t four[] = {0, 1, 2, 3};
  const PinningPlan roomy = plan_pinning(1, 3, four);
  CHECK(roomy.attention == std::vector<uint32_t>{0} && roomy.expert == (std::vector<uint32_t>{1, 2, 3}));
}

TEST(xccl_worker_runs_where_it_is_pinned) {
  const Folder folder;
  cpu_set_t allowed;
  REQUIRE(sched_getaffinity(0, sizeof(allowed), &allowed) == 0);
  uint32_t core = 0;
  while (!CPU_ISSET(core, &allowed)) ++core;
  CommunicatorConfig config = config_of(folder, 0);
  config.pin_cores = {core, 100'000};
  const Member member = make_member(config);
  std::thread worker([&] {
    CHECK(member->pin_worker(0).ok() && allowed_cores() == core_bit(core));
    CHECK(member->pin_worker(2).ok());
    CHECK(is_code(member->pin_worker(1), Code::kInvalidArgument));
  });
  worker.join();
  CHECK(allowed_cores() != 0);
}

}  // namespace
