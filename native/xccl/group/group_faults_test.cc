// Deaths inside the calls of a group, whose members are processes: one is killed before it begins a call, or somewhere inside one, or
// stands still. Every other member's call ends within a second, with the right bytes or with a fault that blames the victim; nothing
// of it is left; and all go on in the next generation of the group, with its successor in a new epoch where it had died.
#include "xccl/group/group_process_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

constexpr int64_t kFaultMaxNs = 1'000'000'000;
constexpr uint32_t kUntilOneFails = 1'000'000;
constexpr uint32_t kNumRandomDeaths = 3;

/// The library's calls in one of a kind.
uint32_t num_calls_of(CheckedCall call) { return call == CheckedCall::kCombine ? 2 : 1; }

/// A fault of this code that blames the victim, or passes on what another member found.
bool is_blamed(const GroupLine& line, Code code, uint32_t victim) {
  const std::string text = line.text;
  const std::string passed_on = "gave up with code " + std::to_string(static_cast<int>(code));
  const std::string missing = ": no contribution from ranks ";
  const size_t list = text.find(missing);
  const bool is_missing =
      list != std::string::npos && text.find(std::to_string(victim), list + missing.size()) != std::string::npos;
  return line.code.load() == static_cast<int32_t>(code) &&
         (is_missing || text.find("rank " + std::to_string(victim) + " ") != std::string::npos ||
          text.find(passed_on) != std::string::npos);
}

/// All living ranks but the victim, if it lives: they failed in time, rightly and for good, and none was a call ahead of another but
/// for the one that failed. Where ranks are kept from running, a deadline may pass for other reasons than the victim.
void check_faults(ForkedGroup& group, Code code, uint32_t victim) {
  const int64_t overslept_ns = group.overslept().count();
  const bool is_anybody = code == Code::kTimeout && overslept_ns > 0;
  uint32_t fewest = ~0u;
  uint32_t most = 0;
  group.for_living(victim, [&](GroupLine& line) {
    const int64_t took_ns = line.end_ns.load() - std::max(group.line(victim).blow_ns.load(), line.start_ns.load());
    const bool is_fault = is_anybody ? line.code.load() == static_cast<int32_t>(code) : is_blamed(line, code, victim);
    const bool is_right =
        is_fault && !line.is_wrong.load() && !line.is_fickle.load() && took_ns < kFaultMaxNs + overslept_ns;
    if (!is_right) {
      group.print(line);
      std::printf("victim %u, %lld us after it, overslept %lld us\n", victim, static_cast<long long>(took_ns / 1000),
                  static_cast<long long>(overslept_ns / 1000));
    }
    CHECK(is_right);
    fewest = std::min(fewest, line.num_passed.load());
    most = std::max(most, line.num_passed.load());
  });
  CHECK(most - fewest <= 1);
}

/// The victim's successor joins, and all go on.
void go_on(ForkedGroup& group, CheckedCall call, uint32_t victim) {
  group.restart(victim);
  group.open_again();
  CHECK(group.run({call, 3}));
}

/// The victim dies right before a call that the others have begun, then right before one that nobody has.
void die_before(CheckedCall call) {
  const uint64_t seed = test::seed();
  ForkedGroup group(seed);
  const uint32_t victim = Random(seed).below(kNumForkedRanks);
  const uint32_t witness = (victim + 1) % kNumForkedRanks;
  REQUIRE(group.run({call, 2}));
  const auto before = group.count(witness);
  for (const bool is_awaited : {true, false}) {
    const uint64_t hold_mask = is_awaited ? 1ull << victim : (1ull << kNumForkedRanks) - 1;
    group.order({call, 1, kGroupPatience, hold_mask, num_calls_of(call)});
    REQUIRE(group.await([&] { return group.line(victim).is_held.load(); }));
    REQUIRE(group.await([&] {
      return group.all_living(victim, [&](GroupLine& line) {
        return is_awaited ? line.num_entered.load() == num_calls_of(call) : line.is_held.load();
      });
    }));
    group.kill(victim);
    group.let_go();
    REQUIRE(group.await_done());
    check_faults(group, Code::kPeerDead, victim);
    go_on(group, call, victim);
  }
  CHECK(group.holds(witness, before));
  CHECK(group.end());
}

/// Until a rank has begun a few calls, and then not at all to about as long as one takes.
bool pass_some_time(ForkedGroup& group, CheckedCall call, uint32_t rank, Random& random) {
  const uint32_t num_calls = (1 + random.below(4)) * num_calls_of(call);
  const bool has_begun = group.await([&] { return group.line(rank).num_entered.load() >= num_calls; });
  const Deadline end = deadline_in(std::chrono::microseconds(random.below(random.below(2) == 0 ? 30 : 600)));
  while (std::chrono::steady_clock::now() < end) {
  }
  return has_begun;
}

/// Calls follow each other; victims die at some moment of one of them.
void die_inside(CheckedCall call) {
  const uint64_t seed = test::seed();
  Random random(seed);
  ForkedGroup group(seed);
  REQUIRE(group.run({call, 2}));
  const auto before = group.count(0);
  for (uint32_t death = 0; death < kNumRandomDeaths; ++death) {
    const uint32_t victim = 1 + random.below(kNumForkedRanks - 1);
    group.order({call, kUntilOneFails});
    REQUIRE(pass_some_time(group, call, victim, random));
    group.kill(victim);
    REQUIRE(group.await_done());
    check_faults(group, Code::kPeerDead, victim);
    go_on(group, call, victim);
  }
  CHECK(group.holds(0, before));
  CHECK(group.end());
}

/// The victim stands still until the others' time is up: nobody is dead, and the same processes go on.
void stand_still(CheckedCall call) {
  constexpr std::chrono::milliseconds kPatience{250};
  const uint64_t seed = test::seed();
  Random random(seed);
  ForkedGroup group(seed);
  REQUIRE(group.run({call, 2}));
  const uint32_t victim = random.below(kNumForkedRanks);
  group.order({call, kUntilOneFails, kPatience});
  REQUIRE(pass_some_time(group, call, victim, random));
  group.stop(victim);
  const bool is_done = group.await_done(victim);
  group.resume(victim);
  REQUIRE(is_done && group.await_done());
  check_faults(group, Code::kTimeout, victim);
  CHECK(group.line(victim).code.load() == static_cast<int32_t>(Code::kTimeout) && !group.line(victim).is_wrong.load());
  group.open_again();
  CHECK(group.run({call, 3}));
  CHECK(group.end());
}

#define GROUP_FAULTS_OF(name, call)                                             \
  TEST(xccl_group_member_dies_before_##name) { die_before(CheckedCall::call); } \
  TEST(xccl_group_member_dies_inside_##name) { die_inside(CheckedCall::call); } \
  TEST(xccl_group_member_stands_still_inside_##name) { stand_still(CheckedCall::call); }

GROUP_FAULTS_OF(barrier, kBarrier)
GROUP_FAULTS_OF(broadcast, kBroadcast)
GROUP_FAULTS_OF(all_gather, kAllGather)
GROUP_FAULTS_OF(reduce_scatter, kReduceScatter)
GROUP_FAULTS_OF(all_reduce, kAllReduce)
GROUP_FAULTS_OF(all_to_all, kAllToAll)
GROUP_FAULTS_OF(dispatch, kDispatch)
GROUP_FAULTS_OF(combine, kCombine)

/// As above, but the victim says that it is at work: it is dead, and hears of it.
TEST(xccl_group_busy_member_that_stands_still_is_dead) {
  constexpr CheckedCall kCall = CheckedCall::kAllReduce;
  const uint64_t seed = test::seed();
  Random random(seed);
  const uint32_t victim = random.below(kNumForkedRanks);
  ForkedGroup group(seed);
  REQUIRE(group.run({kCall, 2}));
  group.order({kCall, kUntilOneFails, kGroupPatience, 0, 0, 1ull << victim});
  REQUIRE(pass_some_time(group, kCall, victim, random));
  group.stop(victim);
  const bool is_done = group.await_done(victim);
  group.resume(victim);
  REQUIRE(is_done && group.await_done());
  check_faults(group, Code::kPeerDead, victim);
  CHECK(group.line(victim).code.load() == static_cast<int32_t>(Code::kPeerDead));
  group.kill(victim);
  go_on(group, kCall, victim);
  CHECK(group.end());
}

}  // namespace
