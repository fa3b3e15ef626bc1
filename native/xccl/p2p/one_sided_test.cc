// One-sided put, get and signals between registered regions, on both fabrics.
#include <thread>

#include "xccl/p2p/ends_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;
using Provider = Ends::Provider;

/// Payload and signal of each direction share a line; on `self` both directions lie in one area.
constexpr uint64_t kThere = 0;
constexpr uint64_t kBack = 64;

void put_round(Messenger& from, uint32_t to, uint64_t offset, uint64_t round) {
  REQUIRE(from.put_with_signal(to, offset, message_bytes(offset + round, 16), offset + 16, round).ok());
}

void await_round(Messenger& messenger, std::span<const std::byte> zc, uint32_t from, uint64_t offset, uint64_t round) {
  REQUIRE(is_code(messenger.wait_signal(from, offset + 16, round, deadline_in(5s)), Code::kOk));
  CHECK(std::memcmp(zc.data() + offset, message_bytes(offset + round, 16).data(), 16) == 0);
}

/// Both ends answer each other: on `self` in one thread, for only one may wait at a time.
void run_ping_pong(Provider provider) {
  constexpr uint64_t kNumRounds = 300;
  const Ends ends(provider);
  const bool is_self = provider == Provider::kSelf;
  const auto answer = [&](uint64_t round) {
    await_round(ends.b(), ends.b_member->zc(), ends.a_rank(), kThere, round);
    put_round(ends.b(), ends.a_rank(), kBack, round);
  };
  std::thread b([&] {
    for (uint64_t round = 1; !is_self && round <= kNumRounds; ++round) answer(round);
  });
  for (uint64_t round = 1; round <= kNumRounds; ++round) {
    put_round(ends.a(), ends.b_rank(), kThere, round);
    if (is_self) answer(round);
    await_round(ends.a(), ends.a_member->zc(), ends.b_rank(), kBack, round);
  }
  b.join();
}

TEST(xccl_p2p_signals_ping_pong_over_self) { run_ping_pong(Provider::kSelf); }
TEST(xccl_p2p_signals_ping_pong_over_shm) { run_ping_pong(Provider::kShm); }

void run_put_and_get(Provider provider) {
  const Ends ends(provider);
  const Bytes sent = message_bytes(test::seed(), 4000);
  REQUIRE(ends.a().put(ends.b_rank(), 1000, sent).ok());
  REQUIRE(ends.a().put_with_signal(ends.b_rank(), 0, {}, 8, 9).ok());
  CHECK(is_code(ends.b().wait_signal(ends.a_rank(), 8, 3, deadline_in(1s)), Code::kOk));
  CHECK(std::memcmp(ends.b_member->zc().data() + 1000, sent.data(), sent.size()) == 0);
  Region region;
  REQUIRE(ends.b().register_region(RegionArea::kZc, 1000, 4000, &region).ok());
  Bytes got(4000);
  CHECK(is_code(ends.a().get(region, got, deadline_in(1s)), Code::kOk) && got == sent);
  ends.b_member->app()[77] = std::byte{5};
  REQUIRE(ends.b().register_region(RegionArea::kApp, 77, 1, &region).ok());
  CHECK(ends.a().get(region, {got.data(), 1}, deadline_in(1s)).ok() && got[0] == std::byte{5});
}

TEST(xccl_p2p_put_and_get_over_self) { run_put_and_get(Provider::kSelf); }
TEST(xccl_p2p_put_and_get_over_shm) { run_put_and_get(Provider::kShm); }

TEST(xccl_p2p_one_sided_calls_check_what_they_are_given) {
  const Ends ends(Provider::kShm);
  Messenger& a = ends.a();
  const Bytes data(100);
  Bytes got(100);
  CHECK(is_code(a.put(1, 4901, data), Code::kInvalidArgument) && a.put(1, 4900, data).ok());
  CHECK(is_code(a.put(9, 0, data), Code::kInvalidArgument));
  CHECK(is_code(a.put_with_signal(1, 0, data, 12, 1), Code::kInvalidArgument));
  CHECK(is_code(a.put_with_signal(1, 0, data, 4996, 1), Code::kInvalidArgument));
  CHECK(is_code(a.put_with_signal(1, 4901, data, 0, 1), Code::kInvalidArgument));
  CHECK(is_code(a.wait_signal(1, 4, 1, deadline_in(1ms)), Code::kInvalidArgument));
  CHECK(is_code(a.wait_signal(1, 4996, 1, deadline_in(1ms)), Code::kInvalidArgument));
  const Status late = a.wait_signal(1, 16, 5, deadline_in(2ms));
  CHECK(is_code(late, Code::kTimeout) && contains(late, "is 0, not 5"));
  Region region;
  REQUIRE(ends.b().register_region(RegionArea::kApp, 0, 50, &region).ok());
  CHECK(is_code(a.get(region, got, deadline_in(1s)), Code::kInvalidArgument));
  region.num_bytes = 200'000;
  region.offset = 99'950;
  CHECK(is_code(a.get(region, got, deadline_in(1s)), Code::kInvalidArgument));
  region.epoch = 4;
  const Status stale = a.get(region, got, deadline_in(1s));
  CHECK(is_code(stale, Code::kStale) && contains(stale, "epoch 1") && contains(stale, "4"));
}

}  // namespace
