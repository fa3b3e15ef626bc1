// Telemetry: what scopes count, off and on, from several threads; the ring of the last calls; get() as the first user.
#include <cstring>
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
  REQUIRE(!report.is_on && report.stats.size() == 2 && report.last_calls.size() == 3);
  const PrimitiveStats& get = report.stats[0];
  CHECK(get.primitive == Primitive::kGet && get.peer == 1 && get.num_calls == 2 && get.num_errors == 1 &&
        get.bytes == 10);
  CHECK(report.stats[1].peer == kAllPeers && std::strcmp(primitive_name(report.stats[1].primitive), "barrier") == 0);
  const CallRecord& failed = report.last_calls[1];
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
  REQUIRE(report.stats.size() == 2 && report.last_calls.size() == 1);
  CHECK(report.stats[1].peer == 4 && report.stats[1].num_calls == 0 && report.stats[1].bytes == 77);
  const PrimitiveStats& stats = report.stats[0];
  CHECK(stats.wait_ns >= 3'000'000 && stats.copy_ns >= 2'000'000 && stats.duration_ns >= stats.wait_ns + stats.copy_ns);
  CHECK(stats.num_errors == 1 && report.last_calls[0].code == Code::kInternal);
  // The wall clock's own steps are small here.
  CHECK(report.last_calls[0].start_unix_ns + 1'000'000'000 > before);
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
  for (int i = 0; i < 20; ++i) {
    for (const CallRecord& call : recorder.report().last_calls)
      CHECK(call.bytes == call.event.step && call.bytes % 1000 == call.peer && call.primitive == Primitive::kPut);
  }
  for (std::thread& writer : writers) writer.join();
  const TelemetryReport report = recorder.report();
  REQUIRE(report.stats.size() == 3);
  for (const PrimitiveStats& stats : report.stats) CHECK(stats.num_calls == kNumCalls);
  CHECK(report.last_calls.size() > kNumCallRecords / 2 && report.last_calls.size() <= kNumCallRecords);
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
}

}  // namespace
