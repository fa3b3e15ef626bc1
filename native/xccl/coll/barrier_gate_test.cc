// The gate of barrier pace by itself: attention ranks 0 to 2 (mask 0b111), expert ranks 3 and 4; time is told to it.
#include "xccl/coll/barrier_gate.h"

#include "test/test.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace std::chrono_literals;
using Verdict = BarrierGate::Verdict;

constexpr uint64_t kAll = 0b11111;
constexpr Deadline kStart{};

BarrierGate make_gate() {
  return BarrierGate({ExchangeMode::kDirect, ExchangePace::kBarrier, 0b111, 0b11000, {}, 100ms});
}

EventId event_of(uint64_t step) { return {step, 0, 0}; }

bool is_break(const BarrierGate::Decision& decision, uint64_t ranks, uint32_t blamed_rank, Code code) {
  return decision.verdict == Verdict::kBreak && decision.ranks == ranks && decision.blamed_rank == blamed_rank &&
         decision.code == code;
}

TEST(xccl_gate_releases_what_all_active_ranks_have_sent_for) {
  BarrierGate gate = make_gate();
  gate.hold(0, event_of(1), 0b11011, kStart);
  CHECK(gate.next(0, kStart).verdict == Verdict::kHold);
  gate.hold(1, event_of(1), 0b11011, kStart);
  const BarrierGate::Decision decision = gate.next(0, kStart);
  CHECK(decision.verdict == Verdict::kRelease && decision.ranks == 0b011 && gate.held() == 0);
}

TEST(xccl_gate_breaks_for_the_gone_the_past_and_other_masks) {
  BarrierGate gate = make_gate();
  gate.hold(0, event_of(1), kAll, kStart);
  CHECK(is_break(gate.next(0b100, kStart), 0b001, 2, Code::kPeerDead));
  gate.hold(0, event_of(2), kAll, kStart);
  CHECK(is_break(gate.next(0b10000, kStart), 0b001, 4, Code::kPeerDead));
  gate.hold(0, event_of(3), kAll, kStart);
  gate.hold(1, event_of(4), kAll, kStart);
  CHECK(is_break(gate.next(0, kStart), 0b001, 1, Code::kMismatch));
  gate.hold(0, event_of(4), 0b11011, kStart);
  const BarrierGate::Decision decision = gate.next(0, kStart);
  CHECK(is_break(decision, 0b011, 1, Code::kMismatch) && decision.has_other_mask);
}

/// Rank 2 comes for an event that has been broken, rank 0 for one that was refused to rank 1.
TEST(xccl_gate_breaks_at_once_for_those_who_have_had_their_turn) {
  BarrierGate gate = make_gate();
  gate.hold(0, event_of(1), kAll, kStart);
  gate.hold(1, event_of(1), 0b11011, kStart);
  CHECK(gate.next(0, kStart).ranks == 0b011);
  gate.hold(2, event_of(1), kAll, kStart);
  CHECK(is_break(gate.next(0, kStart), 0b100, 0, Code::kMismatch));
  gate.pass_over(1, event_of(2));
  gate.hold(0, event_of(2), kAll, kStart);
  CHECK(is_break(gate.next(0, kStart), 0b001, 1, Code::kMismatch));
}

/// A successor counts its steps anew.
TEST(xccl_gate_forgets_the_dead) {
  BarrierGate gate = make_gate();
  gate.pass_over(1, event_of(9));
  gate.forget(0b010);
  gate.hold(0, event_of(1), 0b11011, kStart);
  CHECK(gate.next(0, kStart).verdict == Verdict::kHold);
}

/// The gate hears of a death from what is held before the ranks show it: it waits for the reason.
TEST(xccl_gate_does_not_take_the_dropped_for_one_who_has_moved_on) {
  BarrierGate gate = make_gate();
  gate.hold(0, event_of(1), 0b11011, kStart);
  gate.hold(1, event_of(1), 0b11011, kStart);
  gate.drop(1);
  CHECK(gate.next(0, kStart).verdict == Verdict::kHold);
  CHECK(is_break(gate.next(0b010, kStart), 0b001, 1, Code::kPeerDead));
}

TEST(xccl_gate_gives_up_on_a_silent_rank) {
  BarrierGate gate = make_gate();
  gate.hold(1, event_of(1), kAll, kStart);
  gate.hold(0, event_of(1), kAll, kStart + 60ms);
  CHECK(gate.next(0, kStart + 99ms).verdict == Verdict::kHold);
  CHECK(is_break(gate.next(0, kStart + 100ms), 0b011, 2, Code::kTimeout));
  CHECK(gate.held() == 0);
}

}  // namespace
