// The rounds engine by itself: order, reuse of halves, zero-copy sources, and every fault that it finds.
#include "xccl/group/rounds.h"

#include "xccl/group/group_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

/// A rank that is linked to itself alone, so that a test can play its peers by writing into its segment.
struct LoneRank {
  Folder folder;
  std::unique_ptr<LocalRank> local;
  GroupGenerations generations;
  std::unique_ptr<Rounds> rounds;
  uint32_t num_corrupt_reports = 0;

  explicit LoneRank(uint64_t partition_bytes = 4096) {
    CHECK(LocalRank::create(group_config(folder, 3, partition_bytes), &local).ok());
    local->explain_unlinked = [](uint32_t) { return Status(Code::kPeerDead, "unlinked"); };
    local->report_corrupt = [this](uint32_t, uint64_t, const std::string&) { num_corrupt_reports += 1; };
    CHECK(Rounds::open(*local, generations, {0, 7, {3}}, &rounds).ok());
  }
  GroupFields& fields() {
    const uint64_t at = local->layout().group(0) + GroupLayout::fields(3);
    return *reinterpret_cast<GroupFields*>(local->ctrl().data() + at);
  }
};

std::span<const std::byte> bytes_of(const uint64_t& value) { return std::as_bytes(std::span(&value, 1)); }

/// One round in which each member sends (rank, round) to each other, by the managed area or inline.
Status exchange_stamps(Rounds& rounds, uint64_t round, bool is_inline) {
  return rounds.call({Operation::kBarrier, static_cast<uint32_t>(round)}, deadline_in(10s), [&]() -> Status {
    const std::span<std::byte> half = rounds.half();
    std::vector<Outgoing> outgoing;
    std::vector<uint64_t> stamps(rounds.size());
    for (uint32_t member = 0; member < rounds.size(); ++member) {
      stamps[member] = round << 16 | rounds.self() << 8 | member;
      std::memcpy(half.data() + rounds.partition(member), &stamps[member], 8);
      outgoing.push_back(is_inline ? Outgoing::inline_bytes(bytes_of(stamps[member]), round)
                                   : Outgoing::managed(rounds.partition(member), 8, round));
    }
    SWITCHYARD_RETURN_IF_ERROR(rounds.publish(outgoing));
    return rounds.take_each([&](const Arrival& arrival) -> Status {
      uint64_t got = 0;
      SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrival, 0, std::as_writable_bytes(std::span(&got, 1))));
      CHECK(got == (round << 16 | arrival.member << 8 | rounds.self()) && arrival.detail == round);
      return {};
    });
  });
}

TEST(xccl_rounds_carry_each_members_bytes_in_every_round) {
  GroupCluster cluster(4);
  std::vector<std::thread> threads;
  for (uint32_t rank = 0; rank < 4; ++rank) {
    threads.emplace_back([&, rank] {
      const std::shared_ptr<Group> group = cluster.open(rank);
      for (uint32_t i = 0; i < 200; ++i) CHECK(group->fence(deadline_in(10s)).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
}

TEST(xccl_rounds_of_one_member_reuse_both_halves) {
  LoneRank lone;
  for (uint64_t round = 1; round <= 50; ++round)
    CHECK(is_code(exchange_stamps(*lone.rounds, round, round % 3 == 0), Code::kOk));
}

TEST(xccl_rounds_refuse_impossible_groups) {
  LoneRank lone;
  std::unique_ptr<Rounds> rounds;
  const auto open = [&](GroupSpec spec) {
    return Rounds::open(*lone.local, lone.generations, std::move(spec), &rounds);
  };
  CHECK(is_code(open({2, 8, {3}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 0, {3}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, kGroupGenerationMax + 1, {3}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 8, {}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 8, {3, 3}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 8, {3, 2}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 8, {2}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 8, {3, 16}}), Code::kInvalidArgument));
  CHECK(is_code(open({0, 8, {3, 4}}), Code::kPeerDead));
  CHECK(is_code(open({0, 7, {3}}), Code::kStale));
  CHECK(is_code(open({1, 1, {3}}), Code::kOk));
}

TEST(xccl_rounds_of_an_old_generation_are_stale) {
  LoneRank lone;
  CHECK(exchange_stamps(*lone.rounds, 1, true).ok());
  std::unique_ptr<Rounds> next;
  CHECK(Rounds::open(*lone.local, lone.generations, {0, 8, {3}}, &next).ok());
  CHECK(is_code(exchange_stamps(*lone.rounds, 2, true), Code::kStale));
  CHECK(is_code(exchange_stamps(*next, 1, false), Code::kOk));
}

/// Publishes, spoils what was published by `spoil(fields)`, then takes it.
template <class Spoil>
Status take_spoilt(LoneRank& lone, Spoil&& spoil) {
  Rounds& rounds = *lone.rounds;
  return rounds.call({Operation::kAllToAll, 5, 9}, deadline_in(50ms), [&]() -> Status {
    const Outgoing one[] = {Outgoing::managed(0, 100)};
    SWITCHYARD_RETURN_IF_ERROR(rounds.publish(one));
    spoil(lone.fields());
    return rounds.take_each([](const Arrival&) { return Status(); });
  });
}

TEST(xccl_rounds_name_other_calls_and_what_differs) {
  const auto text_of = [](auto&& spoil) {
    LoneRank lone;
    const Status status = take_spoilt(lone, spoil);
    CHECK(is_code(status, Code::kMismatch) && lone.num_corrupt_reports == 0);
    CHECK(is_code(lone.rounds->call({}, deadline_in(1s), [] { return Status(); }), Code::kMismatch));
    CHECK(lone.fields().control.word.load() ==
          ((7ull << kGroupGenerationShift) | static_cast<uint64_t>(Code::kMismatch)));
    return status.message();
  };
  const std::string operation = text_of([](GroupFields& f) { f.halves[1].body.operation = 2; });
  CHECK(operation.find("all-to-all") != std::string::npos &&
        operation.find("rank 3 is in barrier") != std::string::npos);
  const std::string event = text_of([](GroupFields& f) { f.halves[1].body.event = 6; });
  CHECK(event.find("event 5") != std::string::npos && event.find("rank 3 has event 6") != std::string::npos);
  const std::string agreed = text_of([](GroupFields& f) { f.halves[1].body.agreed = 8; });
  CHECK(agreed.find("has 8 where this rank has 9") != std::string::npos);
}

TEST(xccl_rounds_report_impossible_values) {
  const auto is_corrupt = [](auto&& spoil) {
    LoneRank lone;
    return is_code(take_spoilt(lone, spoil), Code::kCorrupt) && lone.num_corrupt_reports == 1;
  };
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].body.source = static_cast<GroupSource>(4); }));
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].body.num_bytes = ~0ull; }));
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].body.offset = 16 * 4096 - 99; }));
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].body.source = GroupSource::kInline; }));
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].seq += 2; }));
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].seq -= 1, f.control.word = 1; }));
  CHECK(is_corrupt([](GroupFields& f) { f.halves[1].seq = 0, f.control.word |= 200; }));
}

TEST(xccl_rounds_hear_of_members_that_went_on_or_gave_up) {
  const auto result_of = [](auto&& spoil) {
    LoneRank lone;
    return take_spoilt(lone, spoil);
  };
  CHECK(is_code(result_of([](GroupFields& f) { f.halves[1].seq = 8ull << kGroupGenerationShift; }), Code::kStale));
  CHECK(is_code(result_of([](GroupFields& f) { f.halves[1].seq = 0, f.control.word = 8ull << kGroupGenerationShift; }),
                Code::kStale));
  CHECK(is_code(result_of([](GroupFields& f) { f.halves[1].seq = 0, f.control.word |= 3; }), Code::kTimeout));
  const Status timeout = result_of([](GroupFields& f) { f.halves[1].seq = 0; });
  CHECK(is_code(timeout, Code::kTimeout) && timeout.message().find("from ranks 3") != std::string::npos);
}

TEST(xccl_rounds_hear_of_a_call_that_could_not_begin) {
  GroupCluster cluster(3);
  cluster.run([&](uint32_t rank, Group& group) {
    CHECK(group.fence(deadline_in(10s)).ok());
    if (rank == 0) {
      // Takes part in the next round, and is gone before rank 1 begins it.
      CHECK(is_code(group.fence(deadline_in(20ms)), Code::kTimeout));
      cluster[0].close();
      return;
    }
    const auto start = std::chrono::steady_clock::now();
    while (rank == 1 && cluster[1].linked_epoch(0) != 0 && ms_since(start) < 5'000) std::this_thread::sleep_for(1ms);
    CHECK(is_code(group.fence(deadline_in(10s)), Code::kPeerDead));
    CHECK(ms_since(start) < 5'000);
  });
}

TEST(xccl_rounds_check_where_zero_copy_bytes_lie) {
  LoneRank lone;
  Rounds& rounds = *lone.rounds;
  Outgoing out;
  const uint64_t value = 0;
  CHECK(!rounds.zero_copy(bytes_of(value), 0, &out));
  const std::span<std::byte> app = lone.local->app().span();
  CHECK(!rounds.zero_copy({app.data() + app.size() - 4, 5}, 0, &out));
  CHECK(rounds.zero_copy({app.data() + app.size() - 4, 4}, 0, &out) && out.source == GroupSource::kApp);
  const std::span<std::byte> zc = lone.local->zc().span();
  CHECK(rounds.zero_copy(zc.subspan(8, 16), 1, &out) && out.source == GroupSource::kZc && out.offset == 8);
  zc[9] = std::byte{77};
  const Status status = rounds.call({Operation::kAllToAll}, deadline_in(1s), [&]() -> Status {
    SWITCHYARD_RETURN_IF_ERROR(rounds.publish({&out, 1}));
    return rounds.take_each([&](const Arrival& arrival) -> Status {
      std::byte got{};
      SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrival, 1, {&got, 1}));
      CHECK(got == std::byte{77});
      return rounds.pull(arrival, 16, {&got, 1});
    });
  });
  CHECK(is_code(status, Code::kCorrupt) && lone.num_corrupt_reports == 1);
}

/// The ends of all links are counted, and a call looks at that count before it looks at links.
TEST(xccl_rounds_notice_the_end_of_a_member_and_of_nobody_else) {
  LoneRank lone;
  Rounds& rounds = *lone.rounds;
  CHECK(is_code(exchange_stamps(rounds, 1, true), Code::kOk));
  lone.local->peers().retract(2);
  CHECK(is_code(exchange_stamps(rounds, 2, true), Code::kOk));
  CHECK(is_code(exchange_stamps(rounds, 3, true), Code::kOk));
  lone.local->peers().retract(3);
  CHECK(is_code(exchange_stamps(rounds, 4, true), Code::kPeerDead));
}

TEST(xccl_members_are_asked_again_where_they_run) {
  GroupCluster cluster(2);
  const std::shared_ptr<Group> groups[] = {cluster.open(0), cluster.open(1)};
  REQUIRE(groups[0] && groups[1]);
  LocalRank& own = groups[0]->rounds().local();
  std::atomic<CoreMask>& theirs = groups[1]->rounds().local().fixed().progress.cores;
  Members members;
  REQUIRE(Members::open(own, cluster.spec(), &members).ok() && members.hold(own).ok());
  const auto elsewhere = [&](CoreMask cores) {
    theirs.store(cores);
    members.note_cores(core_bit(0));
    return members.elsewhere();
  };
  CHECK(elsewhere(core_bit(1)) == 2 && elsewhere(core_bit(0)) == 0 && elsewhere(core_bit(2)) == 2);
  CHECK(elsewhere(0) == 0 && elsewhere(~CoreMask{0}) == 0);
  members.let_go(own);
}

/// Pulls rows until one fails. `after_publish` runs first; returns how many came.
template <class AfterPublish>
uint64_t num_rows_pulled(Deadline deadline, Code expected, AfterPublish&& after_publish) {
  constexpr uint64_t kRowBytes = 64 << 10;
  LoneRank lone(1 << 20);
  Rounds& rounds = *lone.rounds;
  uint64_t num_rows = 0;
  const Status status = rounds.call({Operation::kAllToAll}, deadline, [&]() -> Status {
    const Outgoing out = Outgoing::managed(0, rounds.half().size());
    SWITCHYARD_RETURN_IF_ERROR(rounds.publish({&out, 1}));
    return rounds.take_each([&](const Arrival& arrival) -> Status {
      after_publish(*lone.local);
      std::vector<std::byte> row(kRowBytes);
      for (; (num_rows + 1) * kRowBytes <= arrival.num_bytes; ++num_rows)
        SWITCHYARD_RETURN_IF_ERROR(rounds.pull(arrival, num_rows * kRowBytes, row));
      return {};
    });
  });
  CHECK(status.code() == expected);
  return num_rows;
}

TEST(xccl_rounds_rows_are_pulled_with_a_look_each_mebibyte) {
  const auto nothing = [](LocalRank&) {};
  CHECK(num_rows_pulled(deadline_in(10s), Code::kOk, nothing) > 16);
  CHECK(num_rows_pulled(deadline_in(0s), Code::kTimeout, nothing) == 16);
  CHECK(num_rows_pulled(deadline_in(10s), Code::kPeerDead, [](LocalRank& local) { local.peers().retract(3); }) == 16);
}

}  // namespace
