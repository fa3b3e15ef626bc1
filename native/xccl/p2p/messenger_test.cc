// Messages in order and whole, on both fabrics: all sizes around the slot, both directions, full rings, events, messages that are
// given up half-way, zero-copy.
#include <thread>

#include "xccl/p2p/ends_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;
using Provider = Ends::Provider;

constexpr size_t kSlot = kRing.slot_bytes;

// ---- Sizes and order ----

void run_sizes(Provider provider) {
  const Ends ends(provider);
  const size_t sizes[] = {0, 1, 3, 4, 7, 8, 15, 16, 17, 64, kSlot - 1, kSlot, kSlot + 1, 5 * kSlot, 6 * kSlot + 9};
  uint32_t event = 0;
  // Several rounds: the ring wraps at another place each time.
  for (int round = 0; round < 7; ++round) {
    for (const size_t size : sizes) {
      const Bytes sent = message_bytes(++event, size);
      REQUIRE(is_code(ends.a().send(ends.b_rank(), event, sent, deadline_in(1s)), Code::kOk));
      REQUIRE(receives(ends.b(), ends.a_rank(), event, sent));
    }
  }
}

TEST(xccl_p2p_sizes_over_self) { run_sizes(Provider::kSelf); }
TEST(xccl_p2p_sizes_over_shm) { run_sizes(Provider::kShm); }

/// Message i of a stream: mostly short ones, some larger than the ring.
Bytes stream_message(uint64_t seed, uint32_t i) {
  Random random(seed * 1000 + i);
  return message_bytes(random.next(), random.below(4) == 0 ? random.below(12 * kSlot) : random.below(20));
}

void send_stream(Messenger& from, uint32_t dest, uint64_t seed, uint32_t num_messages) {
  Random random(seed);
  for (uint32_t i = 1; i <= num_messages; ++i) {
    const Bytes sent = stream_message(seed, i);
    const SendMode mode = random.below(8) == 0 ? SendMode::kAcknowledged : SendMode::kBuffered;
    const Status tried = random.below(2) == 0 ? from.try_send(dest, i, sent) : Status(Code::kResourceExhausted, "");
    if (tried.ok()) continue;
    REQUIRE(is_code(tried, Code::kResourceExhausted));
    REQUIRE(is_code(from.send(dest, i, sent, deadline_in(10s), mode), Code::kOk));
  }
}

void receive_stream(Messenger& to, uint32_t src, uint64_t seed, uint32_t num_messages) {
  for (uint32_t i = 1; i <= num_messages; ++i) REQUIRE(receives(to, src, i, stream_message(seed, i), 10s));
}

void run_stream(const Ends& ends, uint32_t num_messages) {
  const uint64_t seed = test::seed();
  std::thread sender([&] { send_stream(ends.a(), ends.b_rank(), seed, num_messages); });
  receive_stream(ends.b(), ends.a_rank(), seed, num_messages);
  sender.join();
}

TEST(xccl_p2p_stream_over_self) { run_stream(Ends(Provider::kSelf), 500); }
TEST(xccl_p2p_stream_over_shm) { run_stream(Ends(Provider::kShm), 500); }
TEST(xccl_p2p_stream_pulled_over_self) { run_stream(Ends(Provider::kSelf, kRing, pull_always), 500); }
TEST(xccl_p2p_stream_pulled_over_shm) { run_stream(Ends(Provider::kShm, kRing, pull_always), 500); }

void run_streams_both_ways(const Ends& ends) {
  const uint64_t seed = test::seed();
  std::thread a_sends([&] { send_stream(ends.a(), 1, seed, 300); });
  std::thread b_sends([&] { send_stream(ends.b(), 0, seed + 1, 300); });
  std::thread a_receives([&] { receive_stream(ends.a(), 1, seed + 1, 300); });
  receive_stream(ends.b(), 0, seed, 300);
  a_sends.join();
  b_sends.join();
  a_receives.join();
}

TEST(xccl_p2p_streams_both_ways_with_a_thread_for_each_half) { run_streams_both_ways(Ends(Provider::kShm)); }
TEST(xccl_p2p_streams_both_ways_pulled) { run_streams_both_ways(Ends(Provider::kShm, kRing, pull_always)); }

TEST(xccl_p2p_between_processes) {
  const Folder folder;
  {
    ForkedPeer echo([&] {
      const Member member = make_member(ring_config(folder, 1));
      (void)member->expect_peer(peer_of(folder, 0));
      (void)member->wait_linked(0, 1, deadline_in(5s));
      Bytes buffer(20 * kSlot);
      size_t num_bytes = 0;
      for (uint32_t i = 1; member->messenger()->recv(0, i, buffer, &num_bytes, deadline_in(5s)).ok(); ++i)
        (void)member->messenger()->send(0, i, {buffer.data(), num_bytes}, deadline_in(5s));
    });
    const Member a = make_member(ring_config(folder, 0));
    CHECK(a->expect_peer(peer_of(folder, 1)).ok());
    REQUIRE(is_code(a->wait_linked(1, 1, deadline_in(5s)), Code::kOk));
    const uint64_t seed = test::seed();
    for (uint32_t i = 1; i <= 500; ++i) {
      // What the echo cannot take while it is sending has to fit into the ring.
      const Bytes sent = stream_message(seed, i);
      REQUIRE(is_code(a->messenger()->send(1, i, sent, deadline_in(5s)), Code::kOk));
      REQUIRE(receives(*a->messenger(), 1, i, sent));
    }
  }
  unlink(folder.socket(1).c_str());
}

TEST(xccl_p2p_large_slots_and_a_large_message) {
  const Ends ends(Provider::kShm, {4, 64 << 10});
  const Bytes sent = message_bytes(test::seed(), (1 << 20) + 77);
  std::thread sender([&] { CHECK(is_code(ends.a().send(1, 5, sent, deadline_in(5s)), Code::kOk)); });
  CHECK(receives(ends.b(), 0, 5, sent));
  sender.join();
}

/// Every copy path and several copy threads, for a payload that all of them are used for.
TEST(xccl_p2p_copy_modes_and_threads) {
  constexpr size_t kSize = (3 << 20) + 5;
  const Bytes sent = message_bytes(test::seed(), kSize);
  for (const CopyMode mode : {CopyMode::kAuto, CopyMode::kCached, CopyMode::kStream}) {
    const Ends ends(Provider::kShm, {4, 64 << 10}, [&](CommunicatorConfig& config) {
      config.copy_mode = mode;
      config.num_copy_threads = 3;
      config.app_bytes = kSize;
    });
    std::memcpy(ends.a_member->app().data(), sent.data(), kSize);
    Region region;
    REQUIRE(ends.a().register_region(RegionArea::kApp, 0, kSize, &region).ok());
    std::thread sender([&] {
      CHECK(is_code(ends.a().send(1, 5, sent, deadline_in(5s)), Code::kOk));
      CHECK(is_code(ends.a().send_zero_copy(1, 6, region, deadline_in(5s)), Code::kOk));
    });
    CHECK(receives(ends.b(), 0, 5, sent));
    CHECK(receives(ends.b(), 0, 6, sent));
    sender.join();
    Bytes got(kSize);
    CHECK(is_code(ends.b().get(region, got, deadline_in(5s)), Code::kOk) && got == sent);
    CHECK(is_code(ends.b().get(region, got, deadline_in(0s)), Code::kTimeout));
  }
}

// ---- Refusals ----

void run_mismatch(Provider provider) {
  const Ends ends(provider);
  const Bytes sent = message_bytes(1, 40);
  const Bytes short_one = message_bytes(2, 9);
  REQUIRE(ends.a().send(ends.b_rank(), 7, sent, deadline_in(1s)).ok());
  REQUIRE(ends.a().send(ends.b_rank(), 8, short_one, deadline_in(1s)).ok());
  Bytes into(39);
  const Status other = ends.b().recv(ends.a_rank(), 9, into, nullptr, deadline_in(1s));
  CHECK(is_code(other, Code::kMismatch) && contains(other, "event 7") && contains(other, "event 9"));
  const Status small = ends.b().recv(ends.a_rank(), 7, into, nullptr, deadline_in(1s));
  CHECK(is_code(small, Code::kInvalidArgument) && contains(small, "40 bytes") && contains(small, "39 bytes"));
  // The messages are still there.
  CHECK(receives(ends.b(), ends.a_rank(), 7, sent));
  const Status small_inline = ends.b().recv(ends.a_rank(), 8, {into.data(), 8}, nullptr, deadline_in(1s));
  CHECK(is_code(small_inline, Code::kInvalidArgument));
  CHECK(receives(ends.b(), ends.a_rank(), 8, short_one));
  CHECK(is_code(ends.b().recv(ends.a_rank(), 9, into, nullptr, deadline_in(5ms)), Code::kTimeout));
  CHECK(is_code(ends.b().recv(8, 9, into, nullptr, deadline_in(5ms)), Code::kInvalidArgument));
  CHECK(is_code(ends.b().send(8, 9, into, deadline_in(5ms)), Code::kInvalidArgument));
  CHECK(is_code(ends.b().send(5, 9, into, deadline_in(5ms)), Code::kInvalidArgument));
}

TEST(xccl_p2p_another_event_or_a_small_buffer_leaves_the_message_over_self) { run_mismatch(Provider::kSelf); }
TEST(xccl_p2p_another_event_or_a_small_buffer_leaves_the_message_over_shm) { run_mismatch(Provider::kShm); }

void run_full(Provider provider) {
  const Ends ends(provider);
  const uint32_t b = ends.b_rank();
  for (uint32_t i = 1; i <= kRing.num_slots; ++i) REQUIRE(ends.a().try_send(b, i, message_bytes(i, 5)).ok());
  CHECK(is_code(ends.a().try_send(b, 9, {}), Code::kResourceExhausted));
  const Status full = ends.a().send(b, 9, message_bytes(9, 5), deadline_in(10ms));
  CHECK(is_code(full, Code::kTimeout) && contains(full, "ring full"));
  // One place would do for the receiver's acknowledgement to come late: what waits for room must get it.
  REQUIRE(receives(ends.b(), ends.a_rank(), 1, message_bytes(1, 5)));
  std::thread sender([&] { CHECK(is_code(ends.a().send(b, 9, message_bytes(9, 5), deadline_in(5s)), Code::kOk)); });
  for (uint32_t i = 2; i <= 9; ++i) CHECK(receives(ends.b(), ends.a_rank(), i, message_bytes(i, 5)));
  sender.join();
}

TEST(xccl_p2p_full_ring_over_self) { run_full(Provider::kSelf); }
TEST(xccl_p2p_full_ring_over_shm) { run_full(Provider::kShm); }

TEST(xccl_p2p_acknowledged_means_taken) {
  const Ends ends(Provider::kShm);
  const Status early = ends.a().send(1, 1, message_bytes(1, 5), deadline_in(10ms), SendMode::kAcknowledged);
  CHECK(is_code(early, Code::kTimeout) && contains(early, "not acknowledged"));
  for (const size_t size : {size_t{8}, 3 * kSlot}) {
    std::atomic<bool> is_acknowledged{false};
    std::thread sender([&] {
      CHECK(is_code(ends.a().send(1, 2, message_bytes(2, size), deadline_in(5s), SendMode::kAcknowledged), Code::kOk));
      is_acknowledged.store(true);
    });
    std::this_thread::sleep_for(20ms);
    CHECK(!is_acknowledged.load());
    if (size == 8) CHECK(receives(ends.b(), 0, 1, message_bytes(1, 5)));
    CHECK(receives(ends.b(), 0, 2, message_bytes(2, size)));
    sender.join();
  }
}

// ---- Messages given up half-way ----

void run_sender_gives_up(Provider provider) {
  const Ends ends(provider);
  const Bytes large = message_bytes(1, 20 * kSlot);
  const Status full = ends.a().send(ends.b_rank(), 1, large, deadline_in(5ms));
  CHECK(is_code(full, Code::kTimeout) && contains(full, "2048 of 5120"));
  Bytes into(large.size());
  std::thread next(
      [&] { CHECK(is_code(ends.a().send(ends.b_rank(), 2, message_bytes(2, 600), deadline_in(5s)), Code::kOk)); });
  const Status ended = ends.b().recv(ends.a_rank(), 1, into, nullptr, deadline_in(5s));
  CHECK(is_code(ended, Code::kTimeout) && contains(ended, "gave up after 2048 of 5120"));
  CHECK(receives(ends.b(), ends.a_rank(), 2, message_bytes(2, 600)));
  next.join();
}

TEST(xccl_p2p_sender_gives_up_half_way_over_self) { run_sender_gives_up(Provider::kSelf); }
TEST(xccl_p2p_sender_gives_up_half_way_over_shm) { run_sender_gives_up(Provider::kShm); }

void run_receiver_gives_up(Provider provider, bool does_sender_too) {
  const Ends ends(provider);
  const uint32_t b = ends.b_rank();
  const Bytes large = message_bytes(1, 20 * kSlot);
  OperationId id;
  REQUIRE(ends.a().send_async(b, 1, large, 0, &id).ok());
  Bytes into(large.size());
  const Status ended = ends.b().recv(ends.a_rank(), 1, into, nullptr, deadline_in(5ms));
  CHECK(is_code(ended, Code::kTimeout) && contains(ended, "of 5120 bytes came"));
  if (does_sender_too) {
    CHECK(ends.a().cancel(id).ok());
    Completion completion;
    CHECK(is_code(ends.a().wait(id, deadline_in(1s), &completion), Code::kOk));
    CHECK(completion.status.code() == Code::kClosed && completion.num_bytes < large.size());
  }
  std::thread next([&] { CHECK(is_code(ends.a().send(b, 2, message_bytes(2, 600), deadline_in(5s)), Code::kOk)); });
  CHECK(receives(ends.b(), ends.a_rank(), 2, message_bytes(2, 600)));
  next.join();
}

TEST(xccl_p2p_receiver_gives_up_half_way_over_self) { run_receiver_gives_up(Provider::kSelf, false); }
TEST(xccl_p2p_receiver_gives_up_half_way_over_shm) { run_receiver_gives_up(Provider::kShm, false); }
TEST(xccl_p2p_both_give_up_half_way) { run_receiver_gives_up(Provider::kShm, true); }

// ---- Zero-copy ----

void run_zero_copy(Provider provider) {
  const Ends ends(provider);
  const std::span<std::byte> areas[] = {ends.a_member->app(), ends.a_member->zc()};
  uint32_t event = 0;
  for (const RegionArea area : {RegionArea::kApp, RegionArea::kZc}) {
    for (const size_t size : {size_t{0}, size_t{1}, size_t{1000}, size_t{5000}}) {
      const Bytes sent = message_bytes(++event, size);
      if (size > 0) std::memcpy(areas[static_cast<size_t>(area)].data(), sent.data(), size);
      Region region;
      REQUIRE(ends.a().register_region(area, 0, size, &region).ok());
      std::thread sender(
          [&] { CHECK(is_code(ends.a().send_zero_copy(ends.b_rank(), event, region, deadline_in(5s)), Code::kOk)); });
      CHECK(receives(ends.b(), ends.a_rank(), event, sent));
      sender.join();
    }
  }
  Region region;
  CHECK(is_code(ends.a().register_region(RegionArea::kApp, 99'999, 2, &region), Code::kInvalidArgument));
  CHECK(is_code(ends.a().register_region(RegionArea::kApp, ~0ull, 2, &region), Code::kInvalidArgument));
  REQUIRE(ends.a().register_region(RegionArea::kZc, 0, 100, &region).ok());
  const Status unread = ends.a().send_zero_copy(ends.b_rank(), 1, region, deadline_in(5ms));
  CHECK(is_code(unread, Code::kTimeout) && contains(unread, "not acknowledged"));
  Bytes into(99);
  CHECK(is_code(ends.b().recv(ends.a_rank(), 1, into, nullptr, deadline_in(1s)), Code::kInvalidArgument));
  region.epoch = 5;
  CHECK(is_code(ends.a().send_zero_copy(ends.b_rank(), 1, region, deadline_in(5ms)), Code::kStale));
  region.epoch = 1;
  region.rank = 6;
  CHECK(is_code(ends.a().send_zero_copy(ends.b_rank(), 1, region, deadline_in(5ms)), Code::kInvalidArgument));
}

TEST(xccl_p2p_zero_copy_over_self) { run_zero_copy(Provider::kSelf); }
TEST(xccl_p2p_zero_copy_over_shm) { run_zero_copy(Provider::kShm); }

}  // namespace
