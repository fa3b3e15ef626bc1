// What telemetry counts of every primitive: calls, bytes by link, waits and copies; and that switched off it counts nothing.
#include <algorithm>
#include <atomic>
#include <thread>

#include "xccl/group/group_support.h"
#include "xccl/p2p/ends_support.h"
#include "xccl/plan_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

PrimitiveStats stats_of(Communicator& member, Primitive primitive, uint32_t peer) {
  for (const PrimitiveStats& stats : member.telemetry().stats) {
    if (stats.primitive == primitive && stats.peer == peer) return stats;
  }
  return {};
}

std::vector<CallRecord> records_of(const Communicator& member, Primitive primitive) {
  std::vector<CallRecord> records = member.calls({0, member.num_calls()}).calls;
  std::erase_if(records, [&](const CallRecord& call) { return call.primitive != primitive; });
  return records;
}

bool counted(Communicator& member, Primitive primitive, uint32_t peer, uint64_t num_calls, uint64_t num_bytes) {
  const PrimitiveStats stats = stats_of(member, primitive, peer);
  if (stats.num_calls == num_calls && stats.bytes == num_bytes && stats.num_errors == 0) return true;
  std::printf("%s of peer %u: %llu calls, %llu errors, %llu bytes\n", primitive_name(primitive), peer,
              static_cast<unsigned long long>(stats.num_calls), static_cast<unsigned long long>(stats.num_errors),
              static_cast<unsigned long long>(stats.bytes));
  return false;
}

/// 8 bytes inline, 2.5 slots by chunks, 1000 bytes of a region; the same again asynchronously.
void exchange_messages(const Ends& ends) {
  const size_t num_chunked = kRing.slot_bytes * 5 / 2;
  Bytes into(std::max<size_t>(num_chunked, 1000));
  const auto take = [&](uint32_t event) {
    REQUIRE(is_code(ends.b().recv(ends.a_rank(), event, into, nullptr, deadline_in(5s)), Code::kOk));
  };
  REQUIRE(ends.a().send(ends.b_rank(), 1, Bytes(8), deadline_in(5s)).ok());
  take(1);
  REQUIRE(ends.a().send(ends.b_rank(), 2, Bytes(num_chunked), deadline_in(5s)).ok());
  take(2);
  Region region;
  REQUIRE(ends.a().register_region(RegionArea::kZc, 0, 1000, &region).ok());
  OperationId sent;
  OperationId received;
  Completion completion;
  REQUIRE(ends.b().recv_async(ends.a_rank(), 3, into, 0, &received).ok());
  REQUIRE(ends.a().send_zero_copy_async(ends.b_rank(), 3, region, 0, &sent).ok());
  REQUIRE(is_code(ends.b().wait(received, deadline_in(5s), &completion), Code::kOk) && completion.status.ok());
  REQUIRE(is_code(ends.a().wait(sent, deadline_in(5s), &completion), Code::kOk) && completion.status.ok());
}

void run_messages(Ends::Provider provider) {
  const Ends ends(provider);
  exchange_messages(ends);
  CHECK(ends.a_member->telemetry().stats.empty() && ends.b_member->telemetry().stats.empty());
  ends.a_member->switch_telemetry(true);
  ends.b_member->switch_telemetry(true);
  exchange_messages(ends);
  const uint64_t num_bytes = 8 + kRing.slot_bytes * 5 / 2 + 1000;
  CHECK(counted(*ends.a_member, Primitive::kSend, ends.b_rank(), 3, num_bytes));
  CHECK(counted(*ends.b_member, Primitive::kRecv, ends.a_rank(), 3, num_bytes));
  CHECK(stats_of(*ends.a_member, Primitive::kSend, ends.b_rank()).copy_ns > 0);
  CHECK(stats_of(*ends.b_member, Primitive::kRecv, ends.a_rank()).copy_ns > 0);
  const std::vector<CallRecord> sends = records_of(*ends.a_member, Primitive::kSend);
  CHECK(std::ranges::any_of(
      sends, [](const CallRecord& call) { return call.event.step == 2 && call.bytes == kRing.slot_bytes * 5 / 2; }));
}

TEST(xccl_telemetry_of_messages_over_self) { run_messages(Ends::Provider::kSelf); }
TEST(xccl_telemetry_of_messages_over_shm) { run_messages(Ends::Provider::kShm); }

TEST(xccl_telemetry_of_one_sided_calls) {
  const Ends ends(Ends::Provider::kShm);
  ends.a_member->switch_telemetry(true);
  ends.b_member->switch_telemetry(true);
  Bytes bytes(100);
  std::thread waiter([&] { CHECK(is_code(ends.b().wait_signal(0, 8, 5, deadline_in(5s)), Code::kOk)); });
  std::this_thread::sleep_for(5ms);
  CHECK(ends.a().put(1, 64, bytes).ok() && ends.a().put_with_signal(1, 200, {bytes.data(), 50}, 8, 5).ok());
  waiter.join();
  Region region;
  CHECK(ends.b().register_region(RegionArea::kZc, 64, 100, &region).ok());
  CHECK(ends.a().get(region, bytes, deadline_in(1s)).ok());
  CHECK(counted(*ends.a_member, Primitive::kPut, 1, 1, 100) &&
        counted(*ends.a_member, Primitive::kPutSignal, 1, 1, 50));
  CHECK(counted(*ends.a_member, Primitive::kGet, 1, 1, 100) &&
        counted(*ends.b_member, Primitive::kWaitSignal, 0, 1, 0));
  CHECK(stats_of(*ends.b_member, Primitive::kWaitSignal, 0).wait_ns > 1'000'000);
}

TEST(xccl_telemetry_of_group_calls) {
  GroupCluster cluster(3);
  for (uint32_t rank = 0; rank < 3; ++rank) cluster[rank].switch_telemetry(true);
  cluster.run([](uint32_t rank, Group& group) {
    REQUIRE(is_code(group.barrier(1, deadline_in(5s)), Code::kOk));
    Bytes sent(3 * 100);
    Bytes received(3 * 100);
    std::vector<std::span<const std::byte>> parts;
    std::vector<RecvPart> places;
    for (uint32_t peer = 0; peer < 3; ++peer) {
      parts.push_back({sent.data() + peer * 100, 10 + 30 * rank});
      places.push_back({std::span(received).subspan(peer * 100, 100)});
    }
    REQUIRE(is_code(group.all_to_all({2, parts, places, false}, deadline_in(5s)), Code::kOk));
  });
  for (uint32_t rank = 0; rank < 3; ++rank) {
    CHECK(counted(cluster[rank], Primitive::kBarrier, kAllPeers, 1, 0));
    CHECK(counted(cluster[rank], Primitive::kAllToAll, kAllPeers, 1, 0));
    for (uint32_t peer = 0; peer < 3; ++peer) {
      const uint64_t num_bytes = peer == rank ? 0 : 10 + 30 * peer;
      CHECK(counted(cluster[rank], Primitive::kAllToAll, peer, 0, num_bytes));
    }
  }
}

/// One event to both expert ranks of a pod, who answer with as many rows as there are pairs.
void run_exchange(ExchangeMode mode) {
  const PodShape shape{.num_attention = 1, .num_experts = 2, .mode = mode};
  Pod pod(shape);
  for (uint32_t rank = 0; rank < shape.num_ranks(); ++rank) pod.at(rank).switch_telemetry(true);
  const std::vector<std::byte> rows(2 * 48);
  const std::vector<std::vector<uint32_t>> both_tokens{{0, 1}};
  const Routing routing = routing_of(rows, 48, 2, both_tokens);
  std::vector<A2ePart> parts;
  for (uint32_t expert : {1u, 2u})
    parts.push_back({expert, routing.expert_counts, routing.pair_rows, routing.row_index});
  const EventId event{4, 3, 1};
  std::vector<std::thread> experts;
  for (uint32_t expert : {1u, 2u}) {
    experts.emplace_back([&, expert] {
      ExpertEndpoint& endpoint = *pod.at(expert).expert();
      std::vector<A2eView> views;
      REQUIRE(is_code(endpoint.wait_any(deadline_in(5s), &views), Code::kOk) && views.size() == 1);
      CHECK(endpoint.reply(views[0], rows.data()).ok());
      // A forwarder goes on until the other's answer is through.
      if (mode == ExchangeMode::kTrampoline && expert == 1)
        while (endpoint.counters().num_sent < 2) endpoint.forward();
    });
  }
  AttentionEndpoint& attention = *pod.at(0).attention();
  REQUIRE(
      is_code(attention.send_all({event, 7, ~uint64_t{0}, rows.data(), 2, 48, parts, {}}, deadline_in(5s)), Code::kOk));
  REQUIRE(is_code(attention.wait_all(event, deadline_in(5s)), Code::kOk));
  for (std::thread& expert : experts) expert.join();
  const bool is_direct = mode == ExchangeMode::kDirect;
  CHECK(counted(pod.at(0), Primitive::kA2eSend, 1, 1, 96));
  CHECK(counted(pod.at(0), Primitive::kA2eSend, 2, is_direct ? 1 : 0, is_direct ? 96 : 0));
  CHECK(counted(pod.at(0), Primitive::kE2aWait, 1, is_direct ? 0 : 1, is_direct ? 96 : 192));
  CHECK(counted(pod.at(0), Primitive::kE2aWait, kAllPeers, is_direct ? 1 : 0, 0));
  CHECK(counted(pod.at(1), Primitive::kA2eTake, 0, 0, 96) && counted(pod.at(1), Primitive::kE2aReply, 0, 1, 96));
  CHECK(counted(pod.at(2), Primitive::kA2eTake, is_direct ? 0 : 1, 0, 96));
  CHECK(counted(pod.at(2), Primitive::kE2aReply, is_direct ? 0 : 1, 1, 96));
  // The one message of a take gives its record sender and event.
  for (const Primitive primitive : {Primitive::kA2eTake, Primitive::kE2aReply}) {
    const std::vector<CallRecord> records = records_of(pod.at(2), primitive);
    REQUIRE(records.size() == 1);
    CHECK(records[0].event == event && records[0].peer == (is_direct ? 0 : 1) && records[0].bytes == 96);
  }
}

TEST(xccl_telemetry_of_a_direct_exchange) { run_exchange(ExchangeMode::kDirect); }
TEST(xccl_telemetry_of_a_trampoline_exchange) { run_exchange(ExchangeMode::kTrampoline); }

/// What the record of a wait for both expert ranks says, when `num_early` of them have answered before it and rank 2, if it is
/// later, answers with `code`.
CallRecord record_of_a_wait(uint32_t num_early, Code code) {
  Pod pod({.num_attention = 1, .num_experts = 2});
  pod.at(0).switch_telemetry(true);
  const std::vector<std::byte> rows(2 * 48);
  const std::vector<std::vector<uint32_t>> both_tokens{{0, 1}};
  const Routing routing = routing_of(rows, 48, 2, both_tokens);
  std::vector<A2ePart> parts;
  for (uint32_t expert : {1u, 2u})
    parts.push_back({expert, routing.expert_counts, routing.pair_rows, routing.row_index});
  const EventId event{4, 3, 0};
  AttentionEndpoint& attention = *pod.at(0).attention();
  CHECK(
      is_code(attention.send_all({event, 7, ~uint64_t{0}, rows.data(), 2, 48, parts, {}}, deadline_in(5s)), Code::kOk));
  std::atomic<bool> is_waiting{false};
  std::vector<std::thread> experts;
  for (uint32_t expert : {1u, 2u}) {
    experts.emplace_back([&, expert] {
      ExpertEndpoint& endpoint = *pod.at(expert).expert();
      std::vector<A2eView> views;
      REQUIRE(is_code(endpoint.wait_any(deadline_in(5s), &views), Code::kOk) && views.size() == 1);
      if (expert > num_early) {
        while (!is_waiting) std::this_thread::yield();
        std::this_thread::sleep_for(5ms);
      }
      const bool fails = expert == 2 && code != Code::kOk;
      CHECK((fails ? endpoint.fail(views[0], code) : endpoint.reply(views[0], rows.data())).ok());
    });
  }
  for (uint32_t i = 0; i < num_early; ++i) experts[i].join();
  is_waiting = true;
  CHECK(is_code(attention.wait_all(event, deadline_in(5s)), code));
  for (uint32_t i = num_early; i < 2; ++i) experts[i].join();
  const std::vector<CallRecord> records = records_of(pod.at(0), Primitive::kE2aWait);
  CHECK(stats_of(pod.at(0), Primitive::kE2aWait, kAllPeers).num_calls == 1);
  if (records.size() != 1 || !(records[0].event == event) || records[0].code != code) {
    CHECK(false);
    return {};
  }
  return records[0];
}

TEST(xccl_telemetry_of_a_wait_names_who_alone_was_missing) {
  const CallRecord record = record_of_a_wait(1, Code::kOk);
  CHECK(record.peer == 2 && record.bytes == 192 && record.duration_ns > 1'000'000);
}

TEST(xccl_telemetry_of_a_wait_names_nobody_when_all_had_answered) {
  CHECK(record_of_a_wait(2, Code::kOk).peer == kAllPeers);
}

TEST(xccl_telemetry_of_a_wait_names_who_failed) {
  const CallRecord record = record_of_a_wait(1, Code::kInternal);
  CHECK(record.peer == 2 && record.bytes == 0);
}

}  // namespace
