// The parts beneath the communicator: layout, doorbell and waits, waiting policies, fabrics, progress words.
#include <cstring>
#include <thread>

#include "xccl/layout/ctrl_layout.h"
#include "xccl/link/progress.h"
#include "xccl/segment/segment.h"
#include "xccl/test_support.h"
#include "xccl/transport/fabric.h"
#include "xccl/wait/wait_on.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

/// A wait that learns nothing for the next.
template <class Check, class OnWake>
bool wait_on(Doorbell& bell, WaitPolicy policy, Deadline deadline, Check&& check, OnWake&& on_wake,
             std::chrono::nanoseconds sleep_max = kSleepMax) {
  const std::atomic<bool> is_crowded{true};
  Waiter waiter(bell, policy, is_crowded);
  return wait_on(waiter, deadline, check, on_wake, sleep_max);
}

TEST(xccl_layout_slots_do_not_overlap) {
  Random random(test::seed());
  for (int i = 0; i < 200; ++i) {
    const ExchangeShape shape{1 + random.below(600), 1 + random.below(8000), 1 + random.below(9), 1 + random.below(300),
                              random.below(kNumRanksMax + 1)};
    const CtrlLayout layout{{shape, {}, {}}, 1 + random.below(kNumRanksMax)};
    const ExchangeLayout slot = layout.exchange_layout();
    const uint64_t single = 4 * (shape.max_local_experts + shape.max_pairs());
    const uint64_t bundle = shape.max_parts * (sizeof(A2ePartHead) + 4ull * shape.max_local_experts) +
                            (shape.max_parts != 0 ? 8 * shape.max_pairs() : 0);
    CHECK(slot.rows_offset() >= slot.lists_offset() + std::max(single, bundle) && slot.rows_offset() % kLineBytes == 0);
    uint64_t end = sizeof(CtrlFixed);
    for (uint32_t rank = 0; rank < layout.max_ranks; ++rank) {
      for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
        CHECK(layout.a2e_slot(rank, m) == end && end % kPageBytes == 0);
        CHECK(layout.e2a_slot(rank, m) >= end + slot.rows_offset() + uint64_t{shape.max_tokens} * shape.row_bytes);
        end = layout.e2a_slot(rank, m) + round_up(shape.max_pairs() * shape.row_bytes, kPageBytes);
      }
    }
    CHECK(layout.total_bytes() == end);
  }
  CHECK((CtrlLayout{{}, 64}.total_bytes()) == sizeof(CtrlFixed));
}

/// One thread rings for every message, the other waits for each batch. Sleeps are not bounded here, so that a lost wake
/// shows as a wait until the deadline.
void run_doorbell(WaitPolicy policy, uint32_t num_rounds, uint32_t num_rings) {
  Doorbell bell{};
  std::atomic<bool> has_failed{false};
  std::atomic<uint32_t> sent{0};
  std::atomic<uint32_t> taken{0};
  std::thread sender([&] {
    for (uint32_t round = 0; round < num_rounds; ++round) {
      while (taken.load(std::memory_order_acquire) != round * num_rings) {
        if (has_failed.load()) return;
        std::this_thread::yield();
      }
      for (uint32_t i = 0; i < num_rings; ++i) {
        sent.fetch_add(1, std::memory_order_seq_cst);
        doorbell_ring(bell);
      }
    }
  });
  for (uint32_t round = 1; round <= num_rounds && !has_failed.load(); ++round) {
    const uint32_t target = round * num_rings;
    const auto check = [&] { return target - sent.load(std::memory_order_seq_cst); };
    const auto start = std::chrono::steady_clock::now();
    has_failed.store(!wait_on(
                         bell, policy, deadline_in(5s), check, [] {}, 60s) ||
                     ms_since(start) > 3000);
    taken.store(target, std::memory_order_release);
  }
  sender.join();
  CHECK(!has_failed.load());
}

TEST(xccl_doorbell_looks_again_before_it_sleeps) {
  Doorbell bell{};
  int num_looks = 0;
  // The arrival comes right after the first look: nobody sleeps yet, so the bell stays silent.
  const auto check = [&]() -> uint32_t {
    if (++num_looks > 1) return 0;
    doorbell_ring(bell);
    return 1;
  };
  const auto start = std::chrono::steady_clock::now();
  CHECK(wait_on(
      bell, WaitPolicy::kFutex, deadline_in(5s), check, [] {}, 60s));
  CHECK(ms_since(start) < 1000);
}

TEST(xccl_doorbell_loses_no_wake) {
  run_doorbell(WaitPolicy::kFutex, 20'000, 1);
  run_doorbell(WaitPolicy::kFutex, 5'000, 4);
  run_doorbell(WaitPolicy::kAuto, 500, 3);
  run_doorbell(WaitPolicy::kYield, 200, 2);
  run_doorbell(WaitPolicy::kSpin, 3, 1);
}

TEST(xccl_wait_ends_at_its_deadline_and_wakes_in_between) {
  Doorbell bell{};
  int num_wakes = 0;
  const auto start = std::chrono::steady_clock::now();
  CHECK(!wait_on(
      bell, WaitPolicy::kAuto, deadline_in(250ms), [] { return 1u; }, [&] { ++num_wakes; }));
  // A sleep is 100 ms at most; a loaded machine makes it longer, so the number of wakes has no sharper bound.
  CHECK(ms_since(start) >= 250 && num_wakes >= 1);
  CHECK(!wait_on(
      bell, WaitPolicy::kSpin, deadline_in(2ms), [] { return 1u; }, [] {}));
  CHECK(wait_on(
      bell, WaitPolicy::kAuto, deadline_in(-1s), [] { return 0u; }, [] {}));
}

TEST(xccl_wait_policies_have_names) {
  WaitPolicy policy{};
  CHECK(wait_policy_from_name("futex", &policy).ok() && policy == WaitPolicy::kFutex);
  CHECK(wait_policy_from_name("auto", &policy).ok() && policy == WaitPolicy::kAuto);
  const Status unknown = wait_policy_from_name("nap", &policy);
  CHECK(is_code(unknown, Code::kInvalidArgument) &&
        unknown.message().find("auto, spin, yield, futex") != std::string::npos);
}

/// The same test for every provider: on one machine both end in mapped memory.
void run_fabric(const char* name, bool can_map) {
  Segment ctrl;
  Segment app;
  Segment zc;
  REQUIRE(Segment::create("ctrl", sizeof(CtrlFixed), SegmentAccess::kPeersWrite, &ctrl).ok());
  REQUIRE(Segment::create("app", 3000, SegmentAccess::kPeersRead, &app).ok());
  REQUIRE(Segment::create("zc", 5000, SegmentAccess::kPeersWrite, &zc).ok());
  std::unique_ptr<Fabric> fabric;
  REQUIRE(fabric_create(name, {ctrl.span(), app.span(), zc.span()}, &fabric).ok());
  CHECK(std::string(fabric->name()) == name);

  const std::vector<std::byte> data(100, std::byte{9});
  std::vector<std::byte> got(100);
  CHECK(fabric->put(Area::kZc, 4900, data).ok() && fabric->fence().ok());
  CHECK(fabric->get(Area::kZc, 4900, got).ok() && got == data);
  CHECK(is_code(fabric->put(Area::kZc, 4901, data), Code::kInvalidArgument));
  CHECK(is_code(fabric->get(Area::kZc, ~0ull - 50, got), Code::kInvalidArgument));
  CHECK(is_code(fabric->put(Area::kApp, 0, data), Code::kInvalidArgument));
  app.data()[2999] = std::byte{5};
  CHECK(fabric->get(Area::kApp, 2900, got).ok() && got[99] == std::byte{5});
  CHECK(fabric->put(Area::kZc, 5000, {}).ok());

  auto* fixed = reinterpret_cast<CtrlFixed*>(ctrl.data());
  const uint64_t field = CtrlLayout::a2e_field(3, 1);
  const Signal signal{field, 17, CtrlLayout::bell(2)};
  CHECK(fabric->put_with_signal(field + 8, {data.data(), 24}, signal).ok());
  CHECK(fixed->pairs[3].a2e[1].seq.load() == 17 && fixed->bells[2].seq.load() == 0);
  fixed->bells[2].sleeping.store(1);
  CHECK(fabric->put_with_signal(field + 8, {data.data(), 24}, signal).ok() && fixed->bells[2].seq.load() == 1);
  CHECK(is_code(fabric->put_with_signal(field, {data.data(), 24}, {ctrl.size(), 1, 0}), Code::kInvalidArgument));
  CHECK((fabric->map(Area::kZc, 10, 20) != nullptr) == can_map && fabric->map(Area::kZc, 4990, 20) == nullptr);
}

TEST(xccl_fabric_self) { run_fabric("self", false); }

TEST(xccl_fabric_shm) { run_fabric("shm", true); }

/// The reader looks at the signal's word alone, never at the bell, so that nothing but the release store orders the data:
/// ThreadSanitizer then reports a weaker store.
void run_signal(const char* name) {
  Segment ctrl;
  REQUIRE(Segment::create("ctrl", sizeof(CtrlFixed), SegmentAccess::kPeersWrite, &ctrl).ok());
  std::unique_ptr<Fabric> fabric;
  REQUIRE(fabric_create(name, {ctrl.span(), {}, {}}, &fabric).ok());
  PairField& field = reinterpret_cast<CtrlFixed*>(ctrl.data())->pairs[0].a2e[0];
  constexpr uint64_t kNumMessages = 500;
  std::atomic<uint64_t> taken{0};
  std::thread sender([&] {
    const uint64_t at = CtrlLayout::a2e_field(0, 0);
    for (uint64_t i = 1; i <= kNumMessages; ++i) {
      while (taken.load(std::memory_order_acquire) != i - 1) std::this_thread::yield();
      const PairFieldBody body{i * 3, 1, 0, Direction::kA2e, 2, 3, 4};
      CHECK(fabric
                ->put_with_signal(at + offsetof(PairField, body), std::as_bytes(std::span(&body, 1)),
                                  {at, i, CtrlLayout::bell(0)})
                .ok());
    }
  });
  for (uint64_t i = 1; i <= kNumMessages; ++i) {
    while (field.seq.load(std::memory_order_acquire) != i) std::this_thread::yield();
    PairFieldBody body;
    copy_once(&body, &field.body, sizeof(body));
    CHECK(body.step == i * 3 && body.detail == 4);
    taken.store(i, std::memory_order_release);
  }
  sender.join();
}

TEST(xccl_fabric_self_signal_publishes_the_data) { run_signal("self"); }

TEST(xccl_fabric_shm_signal_publishes_the_data) { run_signal("shm"); }

TEST(xccl_fabric_unknown_lists_the_known) {
  std::unique_ptr<Fabric> fabric;
  const Status status = fabric_create("rdma", {}, &fabric);
  CHECK(is_code(status, Code::kInvalidArgument) && status.message().find("self, shm") != std::string::npos);
}

TEST(xccl_progress_word_keeps_busy_count_and_allowance_apart) {
  ProgressWord word;
  CHECK(!word.is_busy() && word.allowance() == 0ms);
  word = word.next(true, 1500);
  CHECK(word.is_busy() && word.allowance() == 1500ms);
  word = ProgressWord{word.bits | ProgressWord::kCountMask}.next(word.is_busy(), ~0ull);
  CHECK(word.is_busy() && word.allowance() == std::chrono::milliseconds(ProgressWord::kAllowanceMaxMs));
  CHECK((word.bits & ProgressWord::kCountMask) == 0);
}

TEST(xccl_liveness_judges_only_who_must_progress) {
  const auto start = std::chrono::steady_clock::now();
  LivenessMonitor monitor(500ms, start);
  const ProgressWord idle{};
  const ProgressWord busy = idle.next(true, 0);
  CHECK(!monitor.is_hung(idle, false, start + 10s));
  CHECK(!monitor.is_hung(idle, true, start + 10s + 400ms));
  CHECK(monitor.is_hung(idle, true, start + 10s + 501ms));
  CHECK(!monitor.is_hung(busy, false, start + 11s));
  CHECK(!monitor.is_hung(busy, false, start + 11s + 500ms));
  CHECK(monitor.is_hung(busy, false, start + 11s + 501ms));
  monitor.forgive(start + 12s);
  CHECK(!monitor.is_hung(busy, false, start + 12s + 400ms));
  const ProgressWord allowed = busy.next(true, 3000);
  CHECK(!monitor.is_hung(allowed, false, start + 13s));
  CHECK(!monitor.is_hung(allowed, false, start + 16s + 400ms));
  CHECK(monitor.is_hung(allowed, false, start + 16s + 501ms));
}

}  // namespace
