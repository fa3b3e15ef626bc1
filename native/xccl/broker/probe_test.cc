// probe(): tells a saturated peer from a dead link.
#include <thread>

#include "xccl/exchange_support.h"
#include "xccl/messenger.h"
#include "xccl/process_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

CommunicatorConfig config_with_ring(const Folder& folder, uint32_t rank, uint64_t epoch = 1) {
  CommunicatorConfig config = config_of(folder, rank, epoch);
  config.ring = {8, 4096};
  return config;
}

ProbeReport probe_of(Communicator& member, uint32_t rank, std::chrono::milliseconds span = 5s) {
  ProbeReport report;
  CHECK(is_code(member.probe(rank, deadline_in(span), &report), Code::kOk));
  return report;
}

/// A process that joins as rank 1 in epoch 2, expects rank 0 and then sleeps.
ForkedPeer fork_sleeper(const Folder& folder) {
  return ForkedPeer([&] {
    const Member member = make_member(config_with_ring(folder, 1, 2));
    (void)member->expect_peer(peer_of(folder, 0));
    std::this_thread::sleep_for(60s);
  });
}

TEST(xccl_probe_finds_itself_and_an_idle_peer_healthy) {
  const Folder folder;
  const Member a = make_member(config_with_ring(folder, 0));
  const Member b = make_member(config_with_ring(folder, 1));
  REQUIRE(link_members(folder, *a, *b));
  CHECK(probe_of(*a, 0).state == ProbeState::kHealthy);
  b->set_busy(true);
  const ProbeReport report = probe_of(*a, 1);
  CHECK(report.state == ProbeState::kHealthy && report.is_busy && report.num_unread == 0 && report.reason.empty());
  CHECK(report.round_trip > 0ns && report.round_trip < 5s);
}

TEST(xccl_probe_finds_a_peer_that_takes_nothing_saturated) {
  const Folder folder;
  const Member a = make_member(config_with_ring(folder, 0));
  const Member b = make_member(config_with_ring(folder, 1));
  REQUIRE(link_members(folder, *a, *b));
  const std::byte payload[3]{};
  for (int i = 0; i < 3; ++i) REQUIRE(a->messenger()->send(1, 7, payload, deadline_in(1s)).ok());
  const ProbeReport behind = probe_of(*a, 1);
  CHECK(behind.state == ProbeState::kSaturated && behind.num_unread == 3 && !behind.has_progressed);
  CHECK(behind.reason.find("none of the 3 messages") != std::string::npos);
  std::byte got[3];
  size_t num_bytes = 0;
  for (int i = 0; i < 3; ++i) REQUIRE(b->messenger()->recv(0, 7, got, &num_bytes, deadline_in(1s)).ok());
  CHECK(probe_of(*a, 1).state == ProbeState::kHealthy);
}

TEST(xccl_probe_finds_a_peer_that_goes_on_taking_healthy) {
  const Folder folder;
  const Member a = make_member(config_with_ring(folder, 0));
  const Member b = make_member(config_with_ring(folder, 1));
  REQUIRE(link_members(folder, *a, *b));
  std::atomic<bool> is_stopping{false};
  // The ring is never empty for long, and always read on.
  std::thread sender([&] {
    const std::byte payload[3]{};
    while (!is_stopping.load()) CHECK(a->messenger()->send(1, 7, payload, deadline_in(5s)).ok());
  });
  std::thread receiver([&] {
    std::byte got[3];
    size_t num_bytes = 0;
    while (b->messenger()->recv(0, 7, got, &num_bytes, deadline_in(200ms)).ok()) std::this_thread::sleep_for(1ms);
  });
  for (int i = 0; i < 3; ++i) CHECK(probe_of(*a, 1).state == ProbeState::kHealthy);
  is_stopping.store(true);
  sender.join();
  receiver.join();
}

TEST(xccl_probe_counts_unanswered_messages_of_a_long_compute) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const Member e = make_member(config_of(folder, 1));
  REQUIRE(link_members(folder, *a, *e));
  Random random(test::seed());
  const std::vector<std::byte> rows = random_rows(random, 2, 16);
  const Routing routing = random_routing(random, rows, 16, 2, 3);
  REQUIRE(a->attention()->send(1, message_of(routing, rows, 16, {1, 0, 0}), deadline_in(1s)).ok());
  e->allow(60s);
  const ProbeReport report = probe_of(*a, 1);
  CHECK(report.state == ProbeState::kSaturated && report.num_unread == 1);
}

TEST(xccl_probe_finds_a_stopped_peer_dead_at_the_deadline) {
  const Folder folder;
  {
    const ForkedPeer peer = fork_sleeper(folder);
    const Member a = make_member(config_with_ring(folder, 0));
    CHECK(a->expect_peer(peer_of(folder, 1, 2)).ok());
    REQUIRE(is_code(a->wait_linked(1, 2, deadline_in(5s)), Code::kOk));
    CHECK(probe_of(*a, 1).state == ProbeState::kHealthy);
    peer.stop();
    const auto start = std::chrono::steady_clock::now();
    const ProbeReport report = probe_of(*a, 1, 100ms);
    CHECK(report.state == ProbeState::kDead && report.code == Code::kTimeout && ms_since(start) >= 100);
    peer.signal(SIGCONT);
    CHECK(probe_of(*a, 1).state == ProbeState::kHealthy);
  }
  unlink(folder.socket(1, 2).c_str());
}

TEST(xccl_probe_finds_a_killed_peer_dead_at_once) {
  const Folder folder;
  {
    ForkedPeer peer = fork_sleeper(folder);
    const Member a = make_member(config_with_ring(folder, 0));
    CHECK(a->expect_peer(peer_of(folder, 1, 2)).ok());
    REQUIRE(is_code(a->wait_linked(1, 2, deadline_in(5s)), Code::kOk));
    peer.stop();
    std::thread killer([&] {
      std::this_thread::sleep_for(50ms);
      peer.signal(SIGKILL);
    });
    const auto start = std::chrono::steady_clock::now();
    const ProbeReport report = probe_of(*a, 1);
    CHECK(report.state == ProbeState::kDead && report.code == Code::kPeerDead && ms_since(start) < 1000);
    killer.join();
    CHECK(probe_of(*a, 1).code == Code::kPeerDead);
  }
  unlink(folder.socket(1, 2).c_str());
}

TEST(xccl_probe_checks_its_rank_and_ends_at_close) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  ProbeReport report;
  for (uint32_t rank : {1u, 8u, 1000u})
    CHECK(is_code(a->probe(rank, deadline_in(1s), &report), Code::kInvalidArgument));
  REQUIRE(a->expect_peer(peer_of(folder, 1)).ok());
  CHECK(probe_of(*a, 1).code == Code::kPeerDead);
  a->close();
  CHECK(is_code(a->probe(1, deadline_in(1s), &report), Code::kClosed));
}

}  // namespace
