// all_to_all against a plain reference: random sizes, empty parts, several rounds, zero-copy sources, dead and absent members.
#include "xccl/group/group_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

using Bytes = std::vector<std::byte>;

/// What `from` sends `to` in call number `call`: known to both ends.
Bytes part_of(uint64_t seed, uint32_t call, uint32_t from, uint32_t to, uint64_t num_bytes_max) {
  Random random(seed ^ (uint64_t{call} << 32 | from << 8 | to));
  constexpr uint32_t kShapes = 5;
  const uint32_t sizes[kShapes] = {0, random.below(9), random.below(25), random.below(200),
                                   random.below(static_cast<uint32_t>(num_bytes_max) + 1)};
  Bytes bytes(sizes[random.below(kShapes)]);
  for (std::byte& value : bytes) value = static_cast<std::byte>(random.next());
  return bytes;
}

/// One call of one member, checked against what the others send. Zero-copy parts that are free on return are spoilt then.
Status exchange_parts(Group& group, uint64_t seed, uint32_t call, uint64_t num_bytes_max,
                      std::span<std::byte> zero_copy, bool is_free_on_return = false) {
  const uint32_t self = group.member_idx();
  std::vector<Bytes> parts;
  std::vector<std::span<const std::byte>> sent;
  std::vector<Bytes> rooms(group.num_members(), Bytes(num_bytes_max + 200));
  std::vector<RecvPart> received;
  size_t num_used = 0;
  for (uint32_t member = 0; member < group.num_members(); ++member) {
    parts.push_back(part_of(seed, call, self, member, num_bytes_max));
    sent.push_back(parts.back());
    received.push_back({rooms[member]});
    if (zero_copy.empty()) continue;
    std::ranges::copy(parts.back(), zero_copy.begin() + static_cast<ptrdiff_t>(num_used));
    sent.back() = zero_copy.subspan(num_used, parts.back().size());
    num_used += parts.back().size();
  }
  SWITCHYARD_RETURN_IF_ERROR(
      group.all_to_all({call, sent, received, !zero_copy.empty(), is_free_on_return}, deadline_in(20s)));
  if (is_free_on_return) std::ranges::fill(zero_copy, std::byte{0xee});
  for (uint32_t member = 0; member < group.num_members(); ++member) {
    const Bytes expected = part_of(seed, call, member, self, num_bytes_max);
    rooms[member].resize(received[member].num_bytes);
    CHECK(rooms[member] == expected);
  }
  return {};
}

void run_random_calls(uint32_t num_ranks, uint32_t num_calls, uint64_t seed) {
  GroupCluster cluster(num_ranks, 256);
  cluster.run([&](uint32_t rank, Group& group) {
    Random random(seed);
    for (uint32_t call = 0; call < num_calls; ++call) {
      // The source of a zero-copy call stays as it is during the next one: two halves by turns.
      const std::span<std::byte> zero_copy = cluster[rank].app().subspan((call % 2) * (512 << 10), 512 << 10);
      const bool is_zero_copy = random.below(2) == 0;
      // Each member's own choice.
      const bool is_free_on_return = Random(seed + 16 * call + rank).below(2) == 0;
      const Status status = exchange_parts(group, seed, call, 1 + random.below(3000),
                                           is_zero_copy ? zero_copy : std::span<std::byte>(), is_free_on_return);
      if (!is_code(status, Code::kOk)) return;
    }
  });
}

TEST(xccl_all_to_all_equals_the_reference_with_1_to_4_ranks) {
  const uint64_t seed = test::seed();
  for (uint32_t num_ranks = 1; num_ranks <= 4; ++num_ranks) run_random_calls(num_ranks, 60, seed + num_ranks);
}

TEST(xccl_all_to_all_returns_when_parts_that_are_free_then_have_been_pulled) {
  constexpr uint64_t kNumBytes = 1 << 20;  // all of app()
  constexpr uint32_t kNumCalls = 40;
  GroupCluster cluster(2, 256);
  cluster.run([&](uint32_t rank, Group& group) {
    Bytes room(kNumBytes);
    for (uint32_t call = 0; call < kNumCalls; ++call) {
      // Rank 0 sends and receives nothing, so only the other's pulling can hold it.
      const std::span<std::byte> sent = cluster[rank].app().first(rank == 0 ? kNumBytes : 0);
      std::ranges::fill(sent, static_cast<std::byte>(call));
      const std::span<const std::byte> parts[] = {{}, sent};
      RecvPart received[] = {{}, {}};
      if (rank == 1) received[0] = {room};
      CHECK(is_code(group.all_to_all({call, parts, received, true, rank == 0}, deadline_in(20s)), Code::kOk));
      std::ranges::fill(sent, std::byte{0xee});
      const auto is_right = [call](std::byte value) { return value == static_cast<std::byte>(call); };
      CHECK(rank == 0 || std::all_of(room.begin(), room.end(), is_right));
    }
  });
}

TEST(xccl_all_to_all_equals_the_reference_with_9_ranks) { run_random_calls(9, 20, test::seed()); }

TEST(xccl_all_to_all_equals_the_reference_with_16_ranks) { run_random_calls(16, 8, test::seed()); }

TEST(xccl_all_to_all_checks_its_own_arguments) {
  GroupCluster cluster(1);
  const std::shared_ptr<Group> group = cluster.open(0);
  Bytes room(8);
  const Bytes ten(10);
  const std::span<const std::byte> parts[] = {ten};
  RecvPart received[] = {{room}};
  CHECK(is_code(group->all_to_all({0, {}, received}, deadline_in(1s)), Code::kInvalidArgument));
  CHECK(is_code(group->all_to_all({0, parts, received}, deadline_in(1s)), Code::kInvalidArgument));
  room.resize(10);
  received[0] = {room};
  CHECK(is_code(group->all_to_all({0, parts, received, true}, deadline_in(1s)), Code::kInvalidArgument));
  CHECK(is_code(group->all_to_all({0, parts, received}, deadline_in(1s)), Code::kOk) && received[0].num_bytes == 10);
}

TEST(xccl_all_to_all_with_too_little_room_is_a_mismatch_that_all_hear_of) {
  GroupCluster cluster(3);
  cluster.run([](uint32_t rank, Group& group) {
    const Bytes hundred(100);
    const std::vector<std::span<const std::byte>> parts(3, hundred);
    Bytes room(100);
    std::vector<RecvPart> received(3, {room});
    if (rank == 1) received[2].into = std::span(room).first(99);
    const Status first = group.all_to_all({1, parts, received}, deadline_in(10s));
    const Status second = first.ok() ? group.all_to_all({2, parts, received}, deadline_in(10s)) : first;
    CHECK(is_code(second, Code::kMismatch));
    if (rank == 1)
      CHECK(first.message().find("rank 2 sends 0 + 100 bytes where there is room for 99") != std::string::npos);
    if (rank != 1 && first.ok()) CHECK(second.message().find("gave up") != std::string::npos);
  });
}

TEST(xccl_groups_in_different_calls_all_get_a_mismatch) {
  GroupCluster cluster(3);
  cluster.run([](uint32_t rank, Group& group) {
    const std::vector<std::span<const std::byte>> parts(3);
    std::vector<RecvPart> received(3);
    const Status status =
        rank == 2 ? group.fence(deadline_in(10s)) : group.all_to_all({1, parts, received}, deadline_in(10s));
    CHECK(is_code(status, Code::kMismatch));
    CHECK(is_code(group.fence(deadline_in(10s)), Code::kMismatch));
  });
}

TEST(xccl_groups_recover_under_a_higher_generation) {
  GroupCluster cluster(3);
  const uint64_t seed = test::seed();
  cluster.run([](uint32_t rank, Group& group) {
    CHECK(group.fence(deadline_in(10s)).ok());
    if (rank != 1) CHECK(is_code(group.fence(deadline_in(50ms)), Code::kTimeout));
  });
  cluster.run(
      [&](uint32_t, Group& group) {
        for (uint32_t call = 0; call < 20; ++call)
          CHECK(is_code(exchange_parts(group, seed, call, 500, {}), Code::kOk));
      },
      2);
}

TEST(xccl_groups_side_by_side_do_not_mix) {
  GroupCluster cluster(2);
  const uint64_t seed = test::seed();
  const auto run_in = [&](uint32_t id) {
    cluster.run(
        [&](uint32_t, Group& group) {
          for (uint32_t call = 0; call < 100; ++call)
            CHECK(is_code(exchange_parts(group, seed + id, call, 500, {}), Code::kOk));
        },
        1, id);
  };
  std::thread other([&] { run_in(1); });
  run_in(0);
  other.join();
}

/// A forked member of a group of three that calls until it is killed.
ForkedPeer fork_caller(const Folder& folder, uint32_t rank, uint64_t seed) {
  return ForkedPeer([&folder, rank, seed] {
    const Member member = make_member(group_config(folder, rank, 256));
    for (uint32_t peer = 0; peer < 3; ++peer) {
      if (peer != rank) (void)member->expect_peer(peer_of(folder, peer));
    }
    for (uint32_t peer = 0; peer < 3; ++peer) {
      if (peer != rank) (void)member->wait_linked(peer, 1, deadline_in(10s));
    }
    std::shared_ptr<Group> group;
    if (!member->open_group({0, 1, {0, 1, 2}}, &group).ok()) return;
    for (uint32_t call = 0; exchange_parts(*group, seed, call, 1000, {}).ok(); ++call) {
    }
  });
}

TEST(xccl_all_to_all_of_processes_fails_within_a_second_of_a_kill) {
  const Folder folder;
  {
    const uint64_t seed = test::seed();
    ForkedPeer survivor = fork_caller(folder, 1, seed);
    ForkedPeer victim = fork_caller(folder, 2, seed);
    const Member member = make_member(group_config(folder, 0, 256));
    for (const uint32_t peer : {1, 2}) CHECK(member->expect_peer(peer_of(folder, peer)).ok());
    for (const uint32_t peer : {1, 2}) REQUIRE(is_code(member->wait_linked(peer, 1, deadline_in(10s)), Code::kOk));
    std::shared_ptr<Group> group;
    REQUIRE(member->open_group({0, 1, {0, 1, 2}}, &group).ok());
    Status status;
    std::chrono::steady_clock::time_point killed;
    for (uint32_t call = 0; status.ok(); ++call) {
      if (call == 50) victim.signal(SIGKILL), killed = std::chrono::steady_clock::now();
      status = exchange_parts(*group, seed, call, 1000, {});
    }
    CHECK(is_code(status, Code::kPeerDead) && ms_since(killed) < 1000);
  }
  for (const uint32_t rank : {1, 2}) unlink(folder.socket(rank).c_str());
}

}  // namespace
