// Asynchronous operations out of step, and a random mixture of all calls on both ends against a plain queue.
#include <deque>
#include <map>
#include <thread>

#include "xccl/p2p/ends_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;
using Provider = Ends::Provider;

constexpr size_t kSlot = kRing.slot_bytes;

/// Waits for an operation and returns how it ended.
Completion ended(Messenger& messenger, OperationId id) {
  Completion completion;
  CHECK(is_code(messenger.wait(id, deadline_in(5s), &completion), Code::kOk));
  CHECK(completion.id == id);
  return completion;
}

void run_posted_first(Provider provider) {
  const Ends ends(provider);
  std::vector<Bytes> into(5, Bytes(6 * kSlot));
  OperationId ids[5];
  for (uint32_t i = 0; i < 5; ++i) REQUIRE(ends.b().recv_async(ends.a_rank(), i, into[i], 100 + i, &ids[i]).ok());
  Completion completions[8];
  CHECK(ends.b().poll(completions) == 0);
  CHECK(is_code(ends.b().wait(ids[0], deadline_in(2ms), &completions[0]), Code::kTimeout));
  for (uint32_t i = 0; i < 5; ++i) {
    std::thread sender(
        [&] { CHECK(ends.a().send(ends.b_rank(), i, message_bytes(i, i * kSlot), deadline_in(5s)).ok()); });
    const Completion completion = ended(ends.b(), ids[i]);
    sender.join();
    CHECK(completion.status.ok() && completion.user_data == 100 + i && completion.peer == ends.a_rank());
    CHECK(completion.num_bytes == i * kSlot);
    into[i].resize(i * kSlot);
    CHECK(into[i] == message_bytes(i, i * kSlot));
  }
  CHECK(is_code(ends.b().wait(ids[4], deadline_in(2ms), &completions[0]), Code::kInvalidArgument));
}

TEST(xccl_p2p_async_receives_posted_first_over_self) { run_posted_first(Provider::kSelf); }
TEST(xccl_p2p_async_receives_posted_first_over_shm) { run_posted_first(Provider::kShm); }

TEST(xccl_p2p_async_exchange_larger_than_both_rings_on_one_thread) {
  const Ends ends(Provider::kShm);
  const Bytes from_a = message_bytes(1, 30 * kSlot);
  const Bytes from_b = message_bytes(2, 40 * kSlot);
  Bytes at_a(from_b.size());
  Bytes at_b(from_a.size());
  OperationId ids[4];
  REQUIRE(ends.a().send_async(1, 1, from_a, 0, &ids[0]).ok() && ends.b().send_async(0, 2, from_b, 0, &ids[1]).ok());
  REQUIRE(ends.a().recv_async(1, 2, at_a, 0, &ids[2]).ok() && ends.b().recv_async(0, 1, at_b, 0, &ids[3]).ok());
  std::thread b([&] {
    CHECK(ended(ends.b(), ids[1]).status.ok());
    CHECK(ended(ends.b(), ids[3]).status.ok());
  });
  CHECK(ended(ends.a(), ids[2]).status.ok());
  CHECK(ended(ends.a(), ids[0]).status.ok());
  b.join();
  CHECK(at_a == from_b && at_b == from_a);
}

TEST(xccl_p2p_async_table_is_bounded_and_cancel_frees_it) {
  const Ends ends(Provider::kShm);
  std::vector<OperationId> ids(kNumOperationsMax);
  Bytes into(16);
  for (OperationId& id : ids) REQUIRE(ends.b().recv_async(0, 3, into, 0, &id).ok());
  OperationId one_more;
  CHECK(is_code(ends.b().recv_async(0, 3, into, 0, &one_more), Code::kResourceExhausted));
  // From the middle, both ends, and the rest.
  for (const size_t i : {30, 0, 63, 1}) CHECK(ends.b().cancel(ids[i]).ok());
  std::vector<Completion> completions(kNumOperationsMax);
  REQUIRE(ends.b().poll(completions) == 4);
  CHECK(completions[0].id == ids[30] && completions[3].id == ids[1] && completions[2].status.code() == Code::kClosed);
  CHECK(is_code(ends.b().cancel(ids[30]), Code::kInvalidArgument));
  REQUIRE(ends.a().send(1, 3, message_bytes(1, 7), deadline_in(1s)).ok());
  REQUIRE(ends.b().poll(completions) == 1);
  CHECK(completions[0].id == ids[2] && completions[0].status.ok() && completions[0].num_bytes == 7);
  CHECK(ends.b().recv_async(0, 3, into, 0, &one_more).ok());
}

TEST(xccl_p2p_async_blocking_calls_come_after_what_is_outstanding) {
  const Ends ends(Provider::kShm);
  Bytes first(16);
  const Bytes short_one = message_bytes(1, 16);
  const Bytes long_one = message_bytes(2, 30 * kSlot);
  OperationId receive;
  OperationId send;
  REQUIRE(ends.b().recv_async(0, 1, first, 0, &receive).ok());
  std::thread sender([&] {
    CHECK(ends.a().send_async(1, 1, short_one, 0, &send).ok());
    CHECK(ends.a().send_async(1, 2, long_one, 0, &send).ok());
    CHECK(is_code(ends.a().send(1, 3, message_bytes(3, 10), deadline_in(5s)), Code::kOk));
  });
  CHECK(receives(ends.b(), 0, 2, long_one));
  CHECK(receives(ends.b(), 0, 3, message_bytes(3, 10)));
  sender.join();
  CHECK(ended(ends.b(), receive).status.ok() && first == short_one);
  CHECK(ended(ends.a(), send).status.ok());
}

TEST(xccl_p2p_async_zero_copy_regions_overlap_in_time) {
  const Ends ends(Provider::kShm);
  OperationId ids[4];
  for (uint32_t i = 0; i < 4; ++i) {
    const Bytes sent = message_bytes(i, 1000);
    std::memcpy(ends.a_member->app().data() + i * 1000, sent.data(), sent.size());
    Region region;
    REQUIRE(ends.a().register_region(RegionArea::kApp, i * 1000, 1000, &region).ok());
    REQUIRE(ends.a().send_zero_copy_async(1, i, region, i, &ids[i]).ok());
  }
  Completion completions[4];
  CHECK(ends.a().poll(completions) == 0);
  for (uint32_t i = 0; i < 2; ++i) CHECK(receives(ends.b(), 0, i, message_bytes(i, 1000)));
  REQUIRE(ends.a().poll(completions) == 2);
  CHECK(completions[1].id == ids[1] && completions[1].status.ok() && completions[1].num_bytes == 1000);
  for (uint32_t i = 2; i < 4; ++i) CHECK(receives(ends.b(), 0, i, message_bytes(i, 1000)));
  CHECK(ends.a().poll(completions) == 2);
}

// ---- Against a plain queue ----

/// One direction: what was sent and not received yet, and the operations under way. One thread plays both ends.
struct Lane {
  Messenger* from;
  Messenger* to;
  uint32_t from_rank;
  uint32_t to_rank;
  std::deque<std::pair<uint32_t, Bytes>> in_order;  // (event, bytes)
  std::map<uint64_t, Bytes> sends;                  // by id: memory that the operation reads
  std::deque<std::pair<OperationId, Bytes>> receives;
  uint32_t num_sent = 0;
  uint32_t num_received = 0;

  void send(Random& random) {
    const uint32_t event = ++num_sent;
    const size_t size = random.below(3) == 0 ? random.below(11 * kSlot) : random.below(24);
    Bytes bytes = message_bytes(random.next(), size);
    if (random.below(2) == 0) {
      const Status status = from->try_send(to_rank, event, bytes);
      if (status.ok()) return in_order.emplace_back(event, std::move(bytes)), void();
      CHECK(status.code() == Code::kResourceExhausted);
    }
    OperationId id;
    const SendMode mode = random.below(3) == 0 ? SendMode::kAcknowledged : SendMode::kBuffered;
    const Bytes& kept = sends.emplace(event, bytes).first->second;
    const Status status = from->send_async(to_rank, event, kept, event, &id, mode);
    if (status.ok()) return in_order.emplace_back(event, std::move(bytes)), void();
    CHECK(status.code() == Code::kResourceExhausted);
    sends.erase(event);
    --num_sent;
  }

  void post(Random& random) {
    if (receives.size() >= in_order.size()) return;
    const auto& [event, bytes] = in_order[receives.size()];
    receives.emplace_back(OperationId{}, Bytes(bytes.size() + random.below(9)));
    const Status status =
        to->recv_async(from_rank, event, receives.back().second, receives.size(), &receives.back().first);
    if (!status.ok()) receives.pop_back();
  }

  void on_sent(const Completion& completion) {
    CHECK(completion.status.ok());
    CHECK(sends.erase(static_cast<uint32_t>(completion.user_data)) == 1);
  }

  void on_received(const Completion& completion) {
    REQUIRE(!receives.empty() && !in_order.empty());
    CHECK(completion.status.ok() && completion.id == receives.front().first);
    Bytes& got = receives.front().second;
    CHECK(completion.num_bytes == in_order.front().second.size());
    got.resize(completion.num_bytes);
    CHECK(got == in_order.front().second);
    receives.pop_front();
    in_order.pop_front();
    ++num_received;
  }
};

/// Sends and receives complete at the same messenger when it is linked to itself: user data below 2^32 and the id tell them apart.
void collect(Messenger& messenger, Lane& outgoing, Lane& incoming) {
  Completion completions[7];
  for (size_t num = messenger.poll(completions); num > 0; num = messenger.poll(completions)) {
    for (size_t i = 0; i < num; ++i) {
      const bool is_receive = !incoming.receives.empty() && incoming.receives.front().first == completions[i].id;
      is_receive ? incoming.on_received(completions[i]) : outgoing.on_sent(completions[i]);
    }
  }
}

void run_mixture(Provider provider, uint32_t num_steps, PullMode pull_mode = PullMode::kAuto) {
  const Ends ends(provider, kRing, [=](CommunicatorConfig& config) { config.pull_mode = pull_mode; });
  Random random(test::seed());
  Lane there{&ends.a(), &ends.b(), ends.a_rank(), ends.b_rank(), {}, {}, {}, 0, 0};
  Lane back{&ends.b(), &ends.a(), ends.b_rank(), ends.a_rank(), {}, {}, {}, 0, 0};
  const bool is_self = provider == Provider::kSelf;
  Lane& incoming_of_a = is_self ? there : back;
  const auto step = [&](uint32_t choice) {
    if (choice == 0) there.send(random);
    if (choice == 1) is_self ? there.send(random) : back.send(random);
    if (choice == 2 || choice == 3) there.post(random);
    if (choice == 4 || choice == 5) incoming_of_a.post(random);
    if (choice == 6) collect(ends.a(), there, incoming_of_a);
    if (choice == 7 && !is_self) collect(ends.b(), back, there);
  };
  for (uint32_t i = 0; i < num_steps; ++i) step(random.below(8));
  const auto start = std::chrono::steady_clock::now();
  const auto is_done = [](const Lane& lane) { return lane.in_order.empty() && lane.sends.empty(); };
  while (!(is_done(there) && is_done(back)) && ms_since(start) < 5000) {
    for (uint32_t choice = 2; choice < 8; ++choice) step(choice);
  }
  CHECK(is_done(there) && is_done(back) && there.num_received == there.num_sent);
  CHECK(back.num_received == back.num_sent && there.num_sent > num_steps / 50);
}

TEST(xccl_p2p_random_mixture_over_self) { run_mixture(Provider::kSelf, 8000); }
TEST(xccl_p2p_random_mixture_over_shm) { run_mixture(Provider::kShm, 8000); }
TEST(xccl_p2p_random_mixture_pulled_over_self) { run_mixture(Provider::kSelf, 8000, PullMode::kAlways); }
TEST(xccl_p2p_random_mixture_pulled_over_shm) { run_mixture(Provider::kShm, 8000, PullMode::kAlways); }

}  // namespace
