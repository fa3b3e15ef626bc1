// Deaths in whole exchanges: an expert rank, a forwarder or an attention rank is killed with an event under way, and comes again in
// a new epoch. Every survivor's wait ends in under a second with the right bytes or with the dead rank's name; the rest go on
// without it, and all go on with its successor.
#include "xccl/pod_process_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

constexpr auto kDirect = ExchangeMode::kDirect;
constexpr auto kTrampoline = ExchangeMode::kTrampoline;
constexpr auto kDataflow = ExchangePace::kDataflow;
constexpr auto kBarrier = ExchangePace::kBarrier;

/// Which of the events must have failed: those that touch the victim. Others must not, but at a barrier they may: there the victim
/// answers an empty header when the barrier is complete.
void check_failures(ForkedPod& pod, const PodShape& shape, uint32_t victim) {
  const ExchangeRoles roles({shape.mode, shape.pace, shape.attention_mask(), shape.expert_mask(), {}});
  pod.for_each_outcome([&](uint32_t rank, const EventOutcome& outcome) {
    const uint64_t touched = outcome.touched_mask.load();
    const bool is_touched = has_rank(touched, victim) || (touched != 0 && roles.forwarder_of(rank) == victim);
    const bool has_failed = outcome.code.load() != 0;
    CHECK(is_touched ? has_failed : !has_failed || shape.pace == kBarrier);
  });
}

/// The living go on without the victim, then its successor joins and all do.
void go_on(ForkedPod& pod, uint32_t victim, uint32_t num_in_flight) {
  CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  pod.restart(victim);
  REQUIRE(pod.await_linked());
  for (int i = 0; i < 3; ++i) CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  CHECK(pod.end());
}

/// `victim`, an expert rank, dies while it holds what every attention rank has sent to it.
void kill_expert(const PodShape& shape, uint32_t victim, uint32_t num_in_flight, uint64_t seed = test::seed()) {
  ForkedPod pod(shape, seed);
  REQUIRE(pod.await_linked());
  CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  pod.board().hold_mask.store(uint64_t{1} << victim);
  REQUIRE(pod.order_until_held(pod.able_mask(), num_in_flight));
  pod.kill(victim);
  pod.board().hold_mask.store(0);
  REQUIRE(pod.await_done());
  CHECK(pod.judge(victim));
  check_failures(pod, shape, victim);
  go_on(pod, victim, num_in_flight);
}

/// `victim`, an attention rank, dies while the expert ranks hold its parts; they answer only then.
void kill_attention(const PodShape& shape, uint32_t victim, uint32_t num_in_flight) {
  ForkedPod pod(shape, test::seed());
  REQUIRE(pod.await_linked());
  CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  pod.board().hold_mask.store(shape.expert_mask());
  REQUIRE(pod.order_until_held(pod.able_mask(), num_in_flight));
  // From the signal on, not from the end of the process: on a busy machine that takes a good part of the survivors' patience.
  ::kill(pod.pid_of(victim), SIGKILL);
  pod.board().hold_mask.store(0);
  pod.kill(victim);
  REQUIRE(pod.await_done());
  CHECK(pod.judge(victim));
  go_on(pod, victim, num_in_flight);
}

/// What is to be held comes long after the order to hold, as on a busy machine: who has waited in vain meanwhile holds it all the same.
TEST(xccl_pod_ranks_hold_what_comes_late) {
  ForkedPod pod({2, 3, false, kTrampoline, kDataflow}, test::seed());
  REQUIRE(pod.await_linked());
  pod.board().hold_mask.store(pod.shape().expert_mask());
  std::this_thread::sleep_for(2 * kPodServeWait);
  REQUIRE(pod.order_until_held(pod.able_mask(), 1));
  pod.board().hold_mask.store(0);
  CHECK(pod.await_done() && pod.all_succeeded());
  CHECK(pod.end());
}

TEST(xccl_pod_expert_behind_a_forwarder_dies) { kill_expert({2, 4, false, kTrampoline, kDataflow}, 5, 1); }
TEST(xccl_pod_expert_behind_a_forwarder_dies_with_two_events) {
  kill_expert({2, 4, false, kTrampoline, kDataflow}, 4, 2);
}
TEST(xccl_pod_expert_behind_a_forwarder_dies_at_a_barrier) { kill_expert({2, 4, false, kTrampoline, kBarrier}, 5, 1); }
TEST(xccl_pod_expert_behind_a_forwarder_dies_at_a_barrier_with_two_events) {
  kill_expert({2, 4, false, kTrampoline, kBarrier}, 4, 2);
}

TEST(xccl_pod_forwarder_dies) { kill_expert({2, 4, false, kTrampoline, kDataflow}, 2, 1); }
/// Of this seed: in the second step no row is for the victim itself.
TEST(xccl_pod_forwarder_dies_after_a_step_without_rows_for_it) {
  kill_expert({2, 4, false, kTrampoline, kDataflow}, 2, 1, 1015);
}
TEST(xccl_pod_forwarder_dies_with_two_events) { kill_expert({2, 4, false, kTrampoline, kDataflow}, 3, 2); }
TEST(xccl_pod_forwarder_dies_at_a_barrier) { kill_expert({2, 4, false, kTrampoline, kBarrier}, 2, 1); }
TEST(xccl_pod_forwarder_dies_at_a_barrier_with_two_events) { kill_expert({2, 4, false, kTrampoline, kBarrier}, 3, 2); }

TEST(xccl_pod_attention_rank_dies_behind_its_forwarder) { kill_attention({2, 3, false, kTrampoline, kDataflow}, 0, 1); }
TEST(xccl_pod_attention_rank_dies_behind_its_forwarder_with_two_events) {
  kill_attention({2, 3, false, kTrampoline, kDataflow}, 1, 2);
}
TEST(xccl_pod_attention_rank_dies_at_a_barrier) { kill_attention({2, 3, false, kTrampoline, kBarrier}, 0, 1); }

TEST(xccl_pod_attention_rank_dies_at_a_barrier_with_two_events) {
  kill_attention({2, 3, false, kTrampoline, kBarrier}, 1, 2);
}

TEST(xccl_pod_direct_barrier_loses_an_expert_rank) { kill_expert({3, 3, false, kDirect, kBarrier}, 4, 2); }
TEST(xccl_pod_direct_barrier_loses_an_attention_rank) { kill_attention({3, 2, false, kDirect, kBarrier}, 1, 2); }
TEST(xccl_pod_rank_that_is_both_dies) { kill_expert({3, 3, true, kTrampoline, kDataflow}, 1, 2); }

/// Rank 0 has sent and waits at the barrier for rank 1, which never sends and dies.
void kill_awaited(ExchangeMode mode, uint32_t num_in_flight) {
  ForkedPod pod({2, 3, false, mode, kBarrier}, test::seed());
  REQUIRE(pod.await_linked());
  CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  pod.order(pod.able_mask(), num_in_flight, 0b10);
  std::this_thread::sleep_for(20ms);
  CHECK(pod.line(0).done_step.load() != pod.board().step.load());
  pod.kill(1);
  REQUIRE(pod.await_done());
  CHECK(pod.judge(1));
  pod.for_each_outcome([](uint32_t, const EventOutcome& outcome) { CHECK(outcome.code.load() != 0); });
  go_on(pod, 1, num_in_flight);
}

TEST(xccl_pod_awaited_rank_dies_at_a_direct_barrier) { kill_awaited(kDirect, 1); }
TEST(xccl_pod_awaited_rank_dies_at_a_trampoline_barrier) { kill_awaited(kTrampoline, 2); }

/// Rank 1 lives and does not send: the barrier gives up on it, and what it held does not keep the next step away.
void stay_silent(ExchangeMode mode) {
  ForkedPod pod({2, 3, false, mode, kBarrier, 50ms}, test::seed());
  REQUIRE(pod.await_linked());
  for (const uint32_t num_in_flight : {1u, 2u}) {
    pod.order(pod.able_mask(), num_in_flight, 0b10);
    REQUIRE(pod.await_done());
    pod.for_each_outcome([&](uint32_t rank, const EventOutcome& outcome) {
      const bool is_right =
          outcome.code.load() == static_cast<int32_t>(Code::kTimeout) && outcome.failed_rank.load() == 1;
      if (!is_right) pod.print(rank, outcome);
      CHECK(is_right);
    });
    CHECK(pod.run_step(pod.able_mask() & ~uint64_t{0b10}, num_in_flight));
    // On a busy machine a rank may come later than so short a patience allows.
    bool has_gone_on = false;
    for (int i = 0; i < 10 && !has_gone_on; ++i) has_gone_on = pod.run_step(pod.able_mask(), num_in_flight);
    CHECK(has_gone_on);
  }
  CHECK(pod.end());
}

TEST(xccl_pod_silent_rank_at_a_direct_barrier) { stay_silent(kDirect); }
TEST(xccl_pod_silent_rank_at_a_trampoline_barrier) { stay_silent(kTrampoline); }

/// Rank 0 has sent, is awaiting rank 1, which does not send, and dies: what the gates hold must not keep its successor away.
void kill_awaiting(ExchangeMode mode, uint32_t num_in_flight) {
  ForkedPod pod({2, 3, false, mode, kBarrier}, test::seed());
  REQUIRE(pod.await_linked());
  CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  pod.order(pod.able_mask(), num_in_flight, 0b10);
  std::this_thread::sleep_for(20ms);
  pod.kill(0);
  pod.restart(0);
  REQUIRE(pod.await_linked());
  for (int i = 0; i < 3; ++i) CHECK(pod.run_step(pod.able_mask(), num_in_flight));
  CHECK(pod.end());
}

TEST(xccl_pod_awaiting_rank_dies_at_a_direct_barrier) { kill_awaiting(kDirect, 2); }
TEST(xccl_pod_awaiting_rank_dies_at_a_trampoline_barrier) { kill_awaiting(kTrampoline, 1); }

}  // namespace
