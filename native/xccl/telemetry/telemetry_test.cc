// Telemetry: what scopes count, off and on, from several threads; the ring of the last calls, read by ranges while it is written;
// get() as the first user.
#include <cstring>
#include <limits>
#include <thread>

#include "xccl/telemetry/scope.h"
#include "xccl/test_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

void call_once(Recorder& recorder, Primitive primitive, uint32_t peer, uint64_t num_bytes, Status status) {
  (void)count_call(recorder, {primitive, peer, {num_bytes, 7, 1}}, [=](CallScope* scope) {
    if (scope) scope->set_bytes(num_bytes);
    return status;
  });
}

constexpr CallRange kAllCalls{0, std::numeric_limits<uint64_t>::max()};

TEST(xccl_telemetry_counts_only_while_it_is_on) {
  Recorder recorder;
  call_once(recorder, Primitive::kGet, 1, 10, {});
  CHECK(!recorder.report().is_on && recorder.report().stats.empty());
  recorder.switch_to(true);
  call_once(recorder, Primitive::kGet, 1, 10, {});
  call_once(recorder, Primitive::kGet, 1, 20, {Code::kTimeout, ""});
  call_once(recorder, Primitive::kBarrier, kAllPeers, 0, {});
  recorder.switch_to(false);
  call_once(recorder, Primitive::kGet, 1, 10, {});
  const TelemetryReport report = recorder.report();
  const CallRecords records = recorder.calls(kAllCalls);
  REQUIRE(!report.is_on && report.stats.size() == 2 && records.calls.size() == 3 && records.num_lost == 0);
  const PrimitiveStats& get = report.stats[0];
  CHECK(get.primitive == Primitive::kGet && get.peer == 1 && get.num_calls == 2 && get.num_errors == 1 &&
        get.bytes == 10);
  CHECK(report.stats[1].peer == kAllPeers && std::strcmp(primitive_name(report.stats[1].primitive), "barrier") == 0);
  const CallRecord& failed = records.calls[1];
  CHECK(failed.code == Code::kTimeout && failed.peer == 1 && failed.event == (EventId{20, 7, 1}) && failed.bytes == 0);
}

TEST(xccl_telemetry_splits_a_call_into_parts) {
  Recorder recorder;
  recorder.switch_to(true);
  const auto before = static_cast<uint64_t>(std::chrono::system_clock::now().time_since_epoch() / 1ns);
  const Status failed = count_call(recorder, {Primitive::kSend, 3}, [](CallScope* scope) {
    {
      const PartTimer timer(scope, CallPart::kWait);
      std::this_thread::sleep_for(3ms);
      const PartTimer inside(scope, CallPart::kCopy);
      std::this_thread::sleep_for(2ms);
    }
    scope->add_bytes(4, 77);
    return Status(Code::kInternal, "");
  });
  CHECK(failed.code() == Code::kInternal);
  const TelemetryReport report = recorder.report();
  const CallRecords records = recorder.calls(kAllCalls);
  REQUIRE(report.stats.size() == 2 && records.calls.size() == 1);
  CHECK(report.stats[1].peer == 4 && report.stats[1].num_calls == 0 && report.stats[1].bytes == 77);
  const PrimitiveStats& stats = report.stats[0];
  CHECK(stats.wait_ns >= 3'000'000 && stats.copy_ns >= 2'000'000 && stats.duration_ns >= stats.wait_ns + stats.copy_ns);
  CHECK(stats.num_errors == 1 && records.calls[0].code == Code::kInternal && records.calls[0].bytes == 0);
  // The wall clock's own steps are small here.
  const uint64_t start = records.calls[0].start_unix_ns;
  CHECK(start + 1'000'000'000 > before && start < before + 1'000'000'000);
  uint64_t num_calls = 0;
  for (uint32_t i = 0; i < kNumDurationBuckets; ++i) {
    num_calls += stats.duration_buckets[i];
    if (stats.duration_buckets[i] != 0) CHECK(stats.duration_ns >> i == 1);
  }
  CHECK(num_calls == 1);
}

TEST(xccl_telemetry_keeps_whole_records_under_many_writers) {
  Recorder recorder;
  recorder.switch_to(true);
  constexpr uint64_t kNumCalls = 5000;
  std::vector<std::thread> writers;
  for (uint32_t peer = 0; peer < 3; ++peer) {
    writers.emplace_back([&, peer] {
      for (uint64_t i = 0; i < kNumCalls; ++i) call_once(recorder, Primitive::kPut, peer, 1000 * i + peer, {});
    });
  }
  uint64_t next = 0;
  std::vector<uint64_t> last_of(3, 0);
  while (next < 3 * kNumCalls) {
    const CallRange range{next, recorder.num_calls()};
    const CallRecords records = recorder.calls(range);
    // Each call of a range is handed over or counted as lost, no call of another one is, and each writer's come in order.
    CHECK(records.calls.size() + records.num_lost == range.end - range.first);
    for (const CallRecord& call : records.calls) {
      CHECK(call.bytes == call.event.step && call.bytes % 1000 == call.peer && call.primitive == Primitive::kPut);
      CHECK(call.bytes + 1 > last_of[call.peer]);
      last_of[call.peer] = call.bytes + 1;
    }
    next = range.end;
  }
  for (std::thread& writer : writers) writer.join();
  const TelemetryReport report = recorder.report();
  REQUIRE(report.stats.size() == 3);
  for (const PrimitiveStats& stats : report.stats) CHECK(stats.num_calls == kNumCalls);
  const CallRecords records = recorder.calls(kAllCalls);
  CHECK(records.calls.size() > kNumCallRecords / 2 && records.calls.size() <= kNumCallRecords);
  CHECK(records.calls.size() + records.num_lost == 3 * kNumCalls);
}

TEST(xccl_telemetry_reads_calls_by_their_numbers) {
  Recorder recorder;
  CHECK(recorder.num_calls() == 0 && recorder.calls(kAllCalls).calls.empty());
  recorder.switch_to(true);
  const auto call_until = [&](uint64_t end) {
    for (uint64_t i = recorder.num_calls(); i < end; ++i) call_once(recorder, Primitive::kPut, 1, i, {});
  };
  const auto holds = [&](CallRange range, uint64_t first, uint64_t num_calls, uint64_t num_lost) {
    const CallRecords records = recorder.calls(range);
    bool in_order = records.calls.size() == num_calls && records.num_lost == num_lost;
    for (size_t i = 0; in_order && i < num_calls; ++i) in_order = records.calls[i].bytes == first + i;
    return in_order;
  };
  call_until(10);
  CHECK(recorder.num_calls() == 10);
  CHECK(holds({3, 7}, 3, 4, 0) && holds({0, 10}, 0, 10, 0) && holds({7, 7}, 0, 0, 0));
  // What has not ended yet is neither there nor lost, and a range that ends before it begins holds nothing.
  CHECK(holds({8, 100}, 8, 2, 0) && holds({10, 100}, 0, 0, 0) && holds({50, 100}, 0, 0, 0) && holds({7, 3}, 0, 0, 0));
  call_until(10 + kNumCallRecords);
  CHECK(holds({10, 12}, 10, 2, 0) && holds({7, 12}, 10, 2, 3) && holds({3, 7}, 0, 0, 4));
  CHECK(holds(kAllCalls, 10, kNumCallRecords, 10));
}

TEST(xccl_telemetry_records_name_one_peer_of_several) {
  Recorder recorder;
  recorder.switch_to(true);
  const EventId event{4, 3, 1};
  for (const Code code : {Code::kOk, Code::kTimeout}) {
    (void)count_call(recorder, {Primitive::kE2aWait}, [&](CallScope* scope) {
      scope->add_bytes(5, 10);
      scope->add_bytes(6, 20);
      scope->name(6, event);
      return Status(code, "");
    });
  }
  const CallRecords records = recorder.calls(kAllCalls);
  REQUIRE(records.calls.size() == 2);
  CHECK(records.calls[0].peer == 6 && records.calls[0].event == event && records.calls[0].bytes == 30);
  CHECK(records.calls[1].peer == 6 && records.calls[1].bytes == 0 && records.calls[1].code == Code::kTimeout);
  // Counted as before: the call for nobody in particular, its bytes for each.
  for (const PrimitiveStats& stats : recorder.report().stats)
    CHECK(stats.num_calls == (stats.peer == kAllPeers ? 2 : 0) && (stats.bytes == 0) == (stats.peer == kAllPeers));
}

TEST(xccl_telemetry_of_a_communicator) {
  const Folder folder;
  const Member a = make_member(config_of(folder, 0));
  std::vector<std::byte> got(5000);
  CHECK(a->get(0, 1, 0, got, deadline_in(1s)).ok() && a->telemetry().stats.empty());
  a->switch_telemetry(true);
  CHECK(a->get(0, 1, 0, got, deadline_in(1s)).ok());
  CHECK(is_code(a->get(0, 9, 0, got, deadline_in(1s)), Code::kStale));
  const TelemetryReport report = a->telemetry();
  REQUIRE(report.is_on && report.stats.size() == 1);
  CHECK(report.stats[0].num_calls == 2 && report.stats[0].num_errors == 1 && report.stats[0].bytes == 5000);
  CHECK(report.stats[0].copy_ns > 0 && report.stats[0].wait_ns == 0);
  CHECK(a->num_calls() == 2 && a->calls({1, 2}).calls.size() == 1 && a->calls({1, 2}).calls[0].code == Code::kStale);
}

}  // namespace
