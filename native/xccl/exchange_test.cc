// A2E/E2A round trips against a plain reference, on both fabrics, with random counts; flow control and argument checks.
#include "xccl/exchange_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

/// Many steps of two micro-batches from one attention rank to some expert ranks, empty partitions included.
void run_steps(Communicator& attention, const std::vector<uint32_t>& dests, uint32_t num_steps, uint64_t seed) {
  Random random(seed);
  AttentionEndpoint& endpoint = *attention.attention();
  for (uint64_t step = 1; step <= num_steps; ++step) {
    const uint32_t row_bytes = 1 + random.below(kShape.row_bytes);
    const std::vector<std::byte> rows = random_rows(random, kShape.max_tokens, row_bytes);
    std::vector<Routing> routings[kNumMicroBatches];
    for (uint8_t m = 0; m < kNumMicroBatches; ++m) {
      for (const uint32_t dest : dests) {
        routings[m].push_back(
            random_routing(random, rows, row_bytes, random.below(kShape.max_tokens + 1), kShape.max_local_experts));
        const A2eMessage message = message_of(routings[m].back(), rows, row_bytes, {step, 3, m});
        REQUIRE(is_code(endpoint.send(dest, message, deadline_in(5s)), Code::kOk));
      }
    }
    for (uint8_t m = 0; m < kNumMicroBatches; ++m) {
      REQUIRE(is_code(endpoint.wait({step, 3, m}, dests, deadline_in(5s)), Code::kOk));
      for (size_t i = 0; i < dests.size(); ++i)
        REQUIRE(is_expected(endpoint.view(dests[i], m), routings[m][i], row_bytes));
    }
  }
}

TEST(xccl_exchange_with_itself_over_self) {
  const Folder folder;
  const Member member = make_member(config_of(folder, 0));
  {
    const ExpertThread expert(member);
    run_steps(*member, {0}, 300, test::seed());
    member->close();
  }
}

TEST(xccl_exchange_over_shm_two_attention_two_experts) {
  const Folder folder;
  const uint64_t seed = test::seed();
  std::vector<Member> members;
  for (uint32_t rank = 0; rank < 4; ++rank) members.push_back(make_member(config_of(folder, rank)));
  for (uint32_t a : {0u, 1u}) {
    for (uint32_t e : {2u, 3u}) REQUIRE(link_members(folder, *members[a], *members[e]));
  }
  {
    const ExpertThread expert2(members[2]);
    const ExpertThread expert3(members[3]);
    std::thread other([&] { run_steps(*members[1], {2, 3}, 200, seed + 1); });
    run_steps(*members[0], {2, 3}, 200, seed);
    other.join();
    for (const Member& member : members) member->close();
  }
}

TEST(xccl_exchange_carries_header_and_traces) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const Member e = make_member(config_of(folder, 1, 2));
  REQUIRE(link_members(folder, *a, *e));
  Random random(test::seed());
  const std::vector<std::byte> rows = random_rows(random, 2, 16);
  const Routing routing = random_routing(random, rows, 16, 2, 3);
  A2eMessage message = message_of(routing, rows, 16, {9, 4, 1});
  message.active_mask = 0xff00ff00ff00ff03ull;
  const TraceRef traces[] = {{{1, 2, 3}, {4}}, {{5}, {6, 7}}};
  message.traces = traces;
  OpTiming timing;
  REQUIRE(a->attention()->send(1, message, deadline_in(1s), &timing).ok());
  CHECK(timing.start_unix_ns > 1'600'000'000ull * 1'000'000'000ull && timing.duration_ns > 0);
  std::vector<A2eView> views;
  REQUIRE(e->expert()->wait_any(deadline_in(1s), &views).ok());
  REQUIRE(views.size() == 1);
  const A2eView& view = views[0];
  CHECK(view.rank == 0 && view.rank_epoch == 1 && view.event == (EventId{9, 4, 1}));
  CHECK(view.placement_version == 7 && view.active_mask == message.active_mask && view.num_rows == 2 &&
        view.row_bytes == 16);
  CHECK(view.traces.size() == 2 && view.traces[0] == traces[0] && view.traces[1] == traces[1]);
  std::vector<A2eView> none;
  CHECK(is_code(e->expert()->wait_any(deadline_in(20ms), &none), Code::kTimeout));
  CHECK(e->expert()->reply(view, routing.expected.data()).ok());
  CHECK(is_code(e->expert()->finish(view), Code::kInvalidArgument));
  WaitReport report;
  const uint32_t dests[] = {1};
  REQUIRE(a->attention()->wait(message.event, dests, deadline_in(1s), &report).ok());
  CHECK(report.failed_rank == -1 && report.timing.duration_ns > 0);
  CHECK(is_expected(a->attention()->view(1, 1), routing, 16));
}

TEST(xccl_exchange_refusal_by_the_expert_names_rank_and_code) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const Member e = make_member(config_of(folder, 1));
  REQUIRE(link_members(folder, *a, *e));
  Random random(test::seed());
  const std::vector<std::byte> rows = random_rows(random, 2, 16);
  const Routing routing = random_routing(random, rows, 16, 2, 3);
  REQUIRE(a->attention()->send(1, message_of(routing, rows, 16, {1, 0, 0}), deadline_in(1s)).ok());
  std::vector<A2eView> views;
  REQUIRE(e->expert()->wait_any(deadline_in(1s), &views).ok());
  CHECK(e->expert()->fail(views[0], Code::kMismatch).ok());
  const uint32_t dests[] = {1};
  WaitReport report;
  CHECK(is_code(a->attention()->wait({1, 0, 0}, dests, deadline_in(1s), &report), Code::kMismatch));
  CHECK(report.failed_rank == 1);
  CHECK(a->attention()->view(1, 0).rows == nullptr);
}

TEST(xccl_exchange_drops_the_late_answer_of_an_abandoned_event) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  const Member e = make_member(config_of(folder, 1));
  REQUIRE(link_members(folder, *a, *e));
  Random random(test::seed());
  const std::vector<std::byte> rows = random_rows(random, 4, 16);
  const Routing first = random_routing(random, rows, 16, 3, 3);
  const Routing second = random_routing(random, rows, 16, 4, 3);
  AttentionEndpoint& endpoint = *a->attention();
  const uint32_t dests[] = {1};
  REQUIRE(endpoint.send(1, message_of(first, rows, 16, {1, 0, 0}), deadline_in(1s)).ok());
  CHECK(is_code(endpoint.send(1, message_of(first, rows, 16, {1, 0, 0}), deadline_in(1s)), Code::kInvalidArgument));
  WaitReport report;
  CHECK(is_code(endpoint.wait({1, 0, 0}, dests, deadline_in(30ms), &report), Code::kTimeout));
  CHECK(report.failed_rank == 1);
  // The expert has not read it: the slot must not be written again.
  CHECK(is_code(endpoint.send(1, message_of(second, rows, 16, {2, 0, 0}), deadline_in(30ms)), Code::kTimeout));
  {
    const ExpertThread expert(e);
    REQUIRE(is_code(endpoint.send(1, message_of(second, rows, 16, {2, 0, 0}), deadline_in(2s)), Code::kOk));
    CHECK(is_code(endpoint.wait({1, 0, 0}, dests, deadline_in(1s)), Code::kInvalidArgument));
    CHECK(is_code(endpoint.wait({2, 0, 0}, dests, deadline_in(2s)), Code::kOk));
    CHECK(is_expected(endpoint.view(1, 0), second, 16));
    e->close();
  }
}

TEST(xccl_exchange_rejects_impossible_messages) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  AttentionEndpoint& endpoint = *a->attention();
  const std::vector<std::byte> rows(16 * 100);
  const auto send = [&](auto change) {
    static const uint32_t counts[] = {1, 1};
    static const uint32_t pairs[] = {0, 1};
    static const uint32_t index[] = {0, 1};
    A2eMessage message;
    message.event = {1, 0, 0};
    message.active_mask = 1;
    message.expert_counts = counts;
    message.pair_rows = pairs;
    message.row_index = index;
    message.rows = rows.data();
    message.row_bytes = 16;
    change(message);
    return endpoint.send(0, message, deadline_in(1s));
  };
  const std::vector<uint32_t> many(100, 0);
  const std::vector<TraceRef> traces(5);
  const uint32_t wrong_counts[] = {1, 2};
  const uint32_t wrong_pairs[] = {0, 2};
  CHECK(is_code(send([&](A2eMessage& m) { m.event.micro_batch = 2; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.active_mask = 2; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.row_index = many; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.pair_rows = many; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.expert_counts = many; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.row_bytes = kShape.row_bytes + 1; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.traces = traces; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.expert_counts = wrong_counts; }), Code::kInvalidArgument));
  CHECK(is_code(send([&](A2eMessage& m) { m.pair_rows = wrong_pairs; }), Code::kInvalidArgument));
  CHECK(is_code(send([](A2eMessage&) {}), Code::kOk));
  CHECK(is_code(endpoint.send(5, A2eMessage{{1, 0, 0}, 0, 1, {}, {}, rows.data(), 16, {}, {}}, deadline_in(1s)),
                Code::kInvalidArgument));
}

}  // namespace
