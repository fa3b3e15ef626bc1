// The collectives against a plain reference: random scripts of calls, bit by bit the same on every rank; then their faults.
#include "xccl/group/collectives.h"

#include "xccl/group/collectives_support.h"
#include "xccl/group/collectives_tag.h"
#include "xccl/process_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

void run_scripts(uint64_t seed, uint32_t num_ranks, bool can_map, uint32_t num_calls, uint32_t num_bytes_max) {
  Random random(seed);
  const Script script(random, num_ranks, num_calls, num_bytes_max);
  BareRanks ranks(num_ranks, can_map, 4096);
  std::atomic<uint32_t> num_failed{0};
  ranks.run([&](uint32_t rank) {
    if (!script.run(ranks.group(rank), ranks.app(rank), seed)) num_failed.fetch_add(1);
  });
  CHECK(num_failed.load() == 0);
}

TEST(xccl_collectives_agree_with_the_reference) {
  const uint64_t seed = test::seed();
  for (uint32_t num_ranks = 1; num_ranks <= 16; ++num_ranks) run_scripts(seed, num_ranks, true, 12, 30'000);
}

TEST(xccl_collectives_need_no_map) {
  const uint64_t seed = test::seed();
  for (const uint32_t num_ranks : {1, 2, 3, 7, 16}) run_scripts(seed, num_ranks, false, 12, 30'000);
}

// The halves have 64 KiB here, and all_reduce works in chunks.
TEST(xccl_collectives_stream_what_is_larger_than_a_half) {
  const uint64_t seed = test::seed();
  for (const uint32_t num_ranks : {1, 2, 3, 4}) run_scripts(seed, num_ranks, true, 12, 400'000);
}

// ---- Faults ----

struct Fault {
  std::vector<Status> results;  // [rank]

  bool all_are(Code code) const {
    bool is_same = true;
    for (const Status& status : results) is_same = is_code(status, code) && is_same;
    return is_same;
  }
  /// Some rank's text has it; others may only have heard from that one.
  bool says(const std::string& text) const {
    for (const Status& status : results) {
      if (status.message().find(text) != std::string::npos) return true;
    }
    std::printf("'%s' is not in '%s'\n", text.c_str(), results[0].message().c_str());
    return false;
  }
};

/// Each of three ranks makes its own call.
template <class Call>
Fault run_fault(Call&& call) {
  BareRanks ranks(3, true, 4096);
  Fault fault{std::vector<Status>(3)};
  const auto start = std::chrono::steady_clock::now();
  ranks.run([&](uint32_t rank) { fault.results[rank] = call(rank, ranks.group(rank)); });
  CHECK(ms_since(start) < 1000);
  ranks.run([&](uint32_t rank) {
    const Status again = ranks.group(rank).barrier(99, deadline_in(1s));
    CHECK(again.code() == fault.results[rank].code() && again.message() == fault.results[rank].message());
  });
  return fault;
}

TEST(xccl_collectives_different_calls_are_a_mismatch) {
  const Fault fault = run_fault([](uint32_t rank, Group& group) {
    std::byte value{};
    return rank == 2 ? group.broadcast({1, 0, {&value, 1}, false}, deadline_in(5s)) : group.barrier(1, deadline_in(5s));
  });
  CHECK(fault.all_are(Code::kMismatch) && (fault.says("is in broadcast") || fault.says("is in barrier")));
}

TEST(xccl_collectives_different_events_are_a_mismatch) {
  const Fault fault =
      run_fault([](uint32_t rank, Group& group) { return group.barrier(rank == 1 ? 8 : 7, deadline_in(5s)); });
  CHECK(fault.all_are(Code::kMismatch) && (fault.says("has event 8") || fault.says("has event 7")));
}

TEST(xccl_collectives_different_sizes_roots_and_types_are_a_mismatch) {
  const Fault sizes = run_fault([](uint32_t rank, Group& group) {
    Bytes in(rank == 0 ? 40 : 44);
    return group.all_reduce({1, ElementType::kInt32, in, in, false}, deadline_in(5s));
  });
  CHECK(sizes.all_are(Code::kMismatch) && sizes.says("40 bytes of int32") && sizes.says("44 bytes of int32"));
  const Fault roots = run_fault([](uint32_t rank, Group& group) {
    Bytes bytes(100);
    return group.broadcast({1, rank == 1 ? 2u : 0u, bytes, false}, deadline_in(5s));
  });
  CHECK(roots.all_are(Code::kMismatch) && roots.says("100 bytes from root 0") && roots.says("100 bytes from root 2"));
  const Fault types = run_fault([](uint32_t rank, Group& group) {
    Bytes in(12);
    Bytes out(4);
    return group.reduce_scatter({1, rank == 0 ? ElementType::kInt32 : ElementType::kFloat32, in, out, false},
                                deadline_in(5s));
  });
  CHECK(types.all_are(Code::kMismatch) && types.says("12 bytes of int32") && types.says("12 bytes of float32"));
}

TEST(xccl_collectives_too_little_room_is_a_mismatch) {
  const Fault fault = run_fault([](uint32_t rank, Group& group) {
    Bytes mine(rank == 1 ? 30 : 0);
    Bytes room(30);
    std::vector<RecvPart> parts(3);
    parts[1].into = std::span(room).first(rank == 2 ? 29 : 30);
    Status status = group.all_gather_variable({1, mine, parts, false}, deadline_in(5s));
    return status.ok() ? group.barrier(2, deadline_in(5s)) : status;
  });
  CHECK(fault.all_are(Code::kMismatch) && fault.says("rank 1 contributes 30 bytes where this rank has room for 29"));
}

TEST(xccl_collectives_check_their_own_arguments_and_go_on) {
  BareRanks ranks(2, true, 4096);
  Group& group = ranks.group(0);
  const Deadline deadline = deadline_in(1s);
  Bytes bytes(64);
  const std::span<std::byte> all(bytes);
  CHECK(is_code(group.broadcast({1, 2, all, false}, deadline), Code::kInvalidArgument));
  CHECK(is_code(group.broadcast({1, 0, all, true}, deadline), Code::kInvalidArgument));
  CHECK(is_code(group.all_gather({1, all, all, false}, deadline), Code::kInvalidArgument));
  CHECK(is_code(group.all_gather_variable({1, all, {}, false}, deadline), Code::kInvalidArgument));
  const auto reduce = [&](std::span<std::byte> in, std::span<std::byte> out, int type = 0, bool is_zero_copy = false) {
    return group.all_reduce({1, static_cast<ElementType>(type), in, out, is_zero_copy}, deadline);
  };
  CHECK(is_code(reduce(all.first(6), all.first(6)), Code::kInvalidArgument));
  CHECK(is_code(reduce(all.subspan(1, 4), all.subspan(1, 4)), Code::kInvalidArgument));
  CHECK(is_code(reduce(all.first(8), all.subspan(4, 8)), Code::kInvalidArgument));
  CHECK(is_code(reduce(all.first(8), all.subspan(8, 4)), Code::kInvalidArgument));
  CHECK(is_code(reduce(all.first(8), all.subspan(8, 8), 2), Code::kInvalidArgument));
  CHECK(is_code(reduce(all.first(8), all.subspan(8, 8), 0, true), Code::kInvalidArgument));
  const ReduceArgs scatter{1, ElementType::kFloat32, all.first(12), all.subspan(12, 4), false};
  CHECK(is_code(group.reduce_scatter(scatter, deadline), Code::kInvalidArgument));
  ranks.run([&](uint32_t rank) { CHECK(is_code(ranks.group(rank).barrier(2, deadline_in(5s)), Code::kOk)); });
}

TEST(xccl_collectives_say_what_differs) {
  const auto text = [](const CallTag& tag) { return tag.agreed_text(tag.agreed); };
  CHECK(text(tag_of_size(Operation::kAllGather, 1, 5)) == "5 bytes");
  CHECK(text(tag_of_any_size(Operation::kAllGather, 1)) == "variable sizes");
  CHECK(text(tag_of_root(Operation::kBroadcast, 1, kCollectiveBytesMax, 63)) == "281474976710655 bytes from root 63");
  CHECK(text(tag_of_type(Operation::kAllReduce, 1, 8, ElementType::kInt32)) == "8 bytes of int32");
  CHECK(tag_of_size(Operation::kAllGather, 1, 5).agreed_text(~0ull).find("unknown type") != std::string::npos);
}

// ---- Processes ----

/// A forked member runs `body(communicator, group)`; it ends with 1 when something failed.
template <class Body>
void run_forked_member(const Folder& folder, uint32_t rank, uint32_t num_ranks, Body&& body) {
  {
    const Member member = make_member(group_config(folder, rank, 4096));
    for (uint32_t peer = 0; peer < num_ranks; ++peer) {
      if (peer != rank) CHECK(member->expect_peer(peer_of(folder, peer)).ok());
    }
    GroupSpec spec{0, 1, {}};
    for (uint32_t peer = 0; peer < num_ranks; ++peer) {
      spec.ranks.push_back(peer);
      if (peer != rank) CHECK(is_code(member->wait_linked(peer, 1, deadline_in(20s)), Code::kOk));
    }
    std::shared_ptr<Group> group;
    CHECK(is_code(member->open_group(spec, &group), Code::kOk));
    if (group) body(*member, *group);
    member->close();
  }
  std::fflush(stdout);
  _exit(test::num_failures() == 0 ? 0 : 1);
}

/// True when the process has ended by itself, without a failed CHECK.
bool ends_well(ForkedPeer& peer) {
  const Deadline deadline = deadline_in(30s);
  int wait_status = -1;
  while (!peer.has_ended(&wait_status) && std::chrono::steady_clock::now() < deadline) std::this_thread::sleep_for(1ms);
  return wait_status == 0;
}

TEST(xccl_collectives_between_processes) {
  constexpr uint32_t kNumRanks = 4;
  const Folder folder;
  const uint64_t seed = test::seed();
  Random random(seed);
  const Script script(random, kNumRanks, 40, 100'000);
  std::vector<std::unique_ptr<ForkedPeer>> peers;
  for (uint32_t rank = 0; rank < kNumRanks; ++rank) {
    peers.push_back(std::make_unique<ForkedPeer>([&] {
      run_forked_member(folder, rank, kNumRanks, [&](Communicator& member, Group& group) {
        CHECK(script.run(group, member.app(), seed));
        CHECK(is_code(group.barrier(1000, deadline_in(10s)), Code::kOk));
      });
    }));
  }
  for (const auto& peer : peers) CHECK(ends_well(*peer));
}

TEST(xccl_collectives_hear_of_a_dead_member_at_once) {
  const Folder folder;
  ForkedPeer victim([&] {
    run_forked_member(folder, 2, 3, [](Communicator&, Group& group) {
      CHECK(is_code(group.barrier(1, deadline_in(20s)), Code::kOk));
      for (;;) pause();
    });
  });
  std::vector<std::thread> threads;
  std::atomic<uint32_t> num_ready{0};
  std::atomic<bool> is_killed{false};
  for (uint32_t rank = 0; rank < 2; ++rank) {
    threads.emplace_back([&, rank] {
      const Member member = make_member(group_config(folder, rank, 4096));
      for (uint32_t peer = 0; peer < 3; ++peer) {
        if (peer != rank) CHECK(member->expect_peer(peer_of(folder, peer)).ok());
      }
      for (uint32_t peer = 0; peer < 3; ++peer) {
        if (peer != rank) CHECK(is_code(member->wait_linked(peer, 1, deadline_in(20s)), Code::kOk));
      }
      std::shared_ptr<Group> group;
      REQUIRE(is_code(member->open_group({0, 1, {0, 1, 2}}, &group), Code::kOk));
      CHECK(is_code(group->barrier(1, deadline_in(20s)), Code::kOk));
      num_ready.fetch_add(1);
      Bytes bytes(1000);
      const Status status = group->all_reduce({2, ElementType::kFloat32, bytes, bytes, false}, deadline_in(20s));
      CHECK(is_killed.load());
      CHECK(is_code(status, Code::kPeerDead));
    });
  }
  while (num_ready.load() < 2) std::this_thread::sleep_for(1ms);
  std::this_thread::sleep_for(20ms);
  is_killed.store(true);
  const auto start = std::chrono::steady_clock::now();
  victim.kill_now();
  for (std::thread& thread : threads) thread.join();
  CHECK(ms_since(start) < 1000);
  CHECK(unlink(folder.socket(2).c_str()) == 0);
}

}  // namespace
