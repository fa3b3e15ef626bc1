#include "xccl/telemetry/recorder.h"

#include <algorithm>
#include <array>
#include <bit>

#include "base/clock.h"
#include "xccl/telemetry/scope.h"

namespace switchyard::xccl {
namespace {

constexpr const char* kNames[] = {
    "get",       "put",        "put_signal",     "wait_signal", "send",     "recv",    "a2e_send",
    "a2e_take",  "e2a_reply",  "e2a_wait",       "all_to_all",  "dispatch", "combine", "barrier",
    "broadcast", "all_gather", "reduce_scatter", "all_reduce",  "fence",
};
static_assert(std::size(kNames) == kNumPrimitives);
static_assert(static_cast<uint32_t>(Primitive::kFence) + 1 == kNumPrimitives);

/// The sums of one (primitive, peer). How many calls there were is the sum of the buckets.
struct Sums {
  std::atomic<uint64_t> num_errors{0};
  std::atomic<uint64_t> bytes{0};
  std::atomic<uint64_t> duration_ns{0};
  std::atomic<uint64_t> wait_ns{0};
  std::atomic<uint64_t> copy_ns{0};
  std::array<std::atomic<uint64_t>, kNumDurationBuckets> buckets{};
};

void add(std::atomic<uint64_t>& sum, uint64_t value) { sum.fetch_add(value, std::memory_order_relaxed); }
uint64_t read(const std::atomic<uint64_t>& sum) { return sum.load(std::memory_order_relaxed); }

uint32_t bucket_of(uint64_t duration_ns) {
  const auto log2 = static_cast<uint32_t>(std::bit_width(duration_ns | 1)) - 1;
  return std::min(log2, kNumDurationBuckets - 1);
}

/// Nearly all are, so their histograms are not read: any call leaves a duration, or lies in bucket 0.
bool is_unused(const Sums& sums) {
  return read(sums.duration_ns) == 0 && read(sums.bytes) == 0 && read(sums.buckets[0]) == 0;
}

/// The number of calls is that of its own histogram, whatever ends meanwhile.
PrimitiveStats stats_of(Primitive primitive, uint32_t peer, const Sums& from) {
  PrimitiveStats stats;
  stats.primitive = primitive;
  stats.peer = peer;
  stats.num_errors = read(from.num_errors);
  stats.bytes = read(from.bytes);
  stats.duration_ns = read(from.duration_ns);
  stats.wait_ns = read(from.wait_ns);
  stats.copy_ns = read(from.copy_ns);
  for (uint32_t i = 0; i < kNumDurationBuckets; ++i) {
    stats.duration_buckets[i] = read(from.buckets[i]);
    stats.num_calls += stats.duration_buckets[i];
  }
  return stats;
}

/// One record of the ring. `turn` is odd while it is written; a reader that finds it changed drops what it read.
struct RecordSlot {
  std::atomic<uint64_t> turn{0};
  std::array<std::atomic<uint64_t>, 5> words{};
};

/// Times by the steady clock, which is all that a call reads.
std::array<uint64_t, 5> pack(const FinishedCall& call) {
  const uint64_t what = uint64_t{static_cast<uint8_t>(call.primitive)} |
                        uint64_t{static_cast<uint8_t>(call.code)} << 8 | uint64_t{call.record_peer & 0xffff} << 16 |
                        uint64_t{call.event.layer} << 32 | uint64_t{call.event.micro_batch} << 48;
  const std::chrono::nanoseconds start = call.start.time_since_epoch();
  return {what, call.event.step, static_cast<uint64_t>(start.count()), call.duration_ns, call.bytes + call.peer_bytes};
}

/// @param unix_offset_ns wall clock minus steady clock
CallRecord unpack(const std::array<uint64_t, 5>& words, int64_t unix_offset_ns) {
  CallRecord record;
  record.primitive = static_cast<Primitive>(words[0] & 0xff);
  record.code = static_cast<Code>((words[0] >> 8) & 0xff);
  record.peer = (words[0] >> 16) & 0xffff;
  record.event = {words[1], static_cast<uint16_t>(words[0] >> 32), static_cast<uint8_t>(words[0] >> 48)};
  record.start_unix_ns = words[2] + static_cast<uint64_t>(unix_offset_ns);
  record.duration_ns = words[3];
  record.bytes = words[4];
  return record;
}

}  // namespace

const char* primitive_name(Primitive primitive) { return kNames[static_cast<size_t>(primitive)]; }

struct CallCounters {
  std::array<std::array<Sums, kNumPrimitives>, kNumRanksMax + 1> sums;
  std::atomic<uint64_t> num_recorded{0};
  std::array<RecordSlot, kNumCallRecords> ring;

  void sum_up(const FinishedCall& call);
  void append(const FinishedCall& call);
  void collect_stats(std::vector<PrimitiveStats>* out) const;
  CallRecords collect_calls(CallRange range) const;
};

void CallCounters::sum_up(const FinishedCall& call) {
  Sums& to = sums[std::min(call.peer, kAllPeers)][static_cast<size_t>(call.primitive)];
  if (call.code != Code::kOk) add(to.num_errors, 1);
  add(to.bytes, call.bytes);
  add(to.duration_ns, call.duration_ns);
  add(to.wait_ns, call.wait_ns);
  add(to.copy_ns, call.copy_ns);
  add(to.buckets[bucket_of(call.duration_ns)], 1);
}

/// The slot is claimed before it is written: of two writers a whole ring apart (one was suspended meanwhile) the later gives up.
void CallCounters::append(const FinishedCall& call) {
  const uint64_t idx = num_recorded.fetch_add(1, std::memory_order_relaxed);
  RecordSlot& slot = ring[idx % kNumCallRecords];
  uint64_t turn = slot.turn.load(std::memory_order_relaxed);
  const bool is_free = turn % 2 == 0 && turn / 2 <= idx / kNumCallRecords;
  if (!is_free || !slot.turn.compare_exchange_strong(turn, turn | 1, std::memory_order_acq_rel)) return;
  const auto words = pack(call);
  // Released each, so that who sees a word of this record also sees the odd turn before it.
  for (size_t i = 0; i < words.size(); ++i) slot.words[i].store(words[i], std::memory_order_release);
  slot.turn.store(2 * (idx / kNumCallRecords + 1), std::memory_order_release);
}

void CallCounters::collect_stats(std::vector<PrimitiveStats>* out) const {
  for (uint32_t peer = 0; peer < sums.size(); ++peer) {
    for (uint32_t i = 0; i < kNumPrimitives; ++i) {
      if (is_unused(sums[peer][i])) continue;
      out->push_back(stats_of(static_cast<Primitive>(i), peer, sums[peer][i]));
    }
  }
}

/// The clocks are compared at each reading, since the wall clock may be set or slewed while a communicator lives.
CallRecords CallCounters::collect_calls(CallRange range) const {
  const int64_t unix_offset_ns = unix_now_ns() - monotonic_now_ns();
  const uint64_t num_calls = read(num_recorded);
  const uint64_t end = std::min(range.end, num_calls);
  const uint64_t first = std::min(range.first, end);
  const uint64_t oldest = num_calls > kNumCallRecords ? num_calls - kNumCallRecords : 0;
  CallRecords records;
  for (uint64_t idx = std::max(first, oldest); idx < end; ++idx) {
    const RecordSlot& slot = ring[idx % kNumCallRecords];
    const uint64_t turn = slot.turn.load(std::memory_order_acquire);
    if (turn != 2 * (idx / kNumCallRecords + 1)) continue;
    std::array<uint64_t, 5> words;
    for (size_t i = 0; i < words.size(); ++i) words[i] = slot.words[i].load(std::memory_order_acquire);
    if (slot.turn.load(std::memory_order_relaxed) == turn) records.calls.push_back(unpack(words, unix_offset_ns));
  }
  records.num_lost = end - first - records.calls.size();
  return records;
}

Recorder::Recorder() = default;
Recorder::~Recorder() = default;

void Recorder::switch_to(bool on) {
  const std::lock_guard lock(mutex_);
  if (on && !owned_) {
    owned_ = std::make_unique<CallCounters>();
    counters_.store(owned_.get(), std::memory_order_release);
  }
  is_on_.store(on, std::memory_order_release);
}

void Recorder::record(const FinishedCall& call) {
  CallCounters* counters = counters_.load(std::memory_order_acquire);
  if (!counters) return;
  counters->sum_up(call);
  counters->append(call);
}

void Recorder::add_bytes(Primitive primitive, uint32_t peer, uint64_t num_bytes) {
  if (CallCounters* counters = counters_.load(std::memory_order_acquire))
    add(counters->sums[std::min(peer, kAllPeers)][static_cast<size_t>(primitive)].bytes, num_bytes);
}

TelemetryReport Recorder::report() const {
  TelemetryReport report;
  report.is_on = is_on();
  const CallCounters* counters = counters_.load(std::memory_order_acquire);
  if (!counters) return report;
  counters->collect_stats(&report.stats);
  return report;
}

uint64_t Recorder::num_calls() const {
  const CallCounters* counters = counters_.load(std::memory_order_acquire);
  return counters ? read(counters->num_recorded) : 0;
}

CallRecords Recorder::calls(CallRange range) const {
  const CallCounters* counters = counters_.load(std::memory_order_acquire);
  return counters ? counters->collect_calls(range) : CallRecords();
}

// ---- Scopes ----

namespace {

uint64_t ns_since(std::chrono::steady_clock::time_point start) {
  const std::chrono::nanoseconds spent = std::chrono::steady_clock::now() - start;
  return static_cast<uint64_t>(spent.count());
}

}  // namespace

CallScope::CallScope(Recorder& recorder, const CallName& name)
    : recorder_(recorder),
      call_{.primitive = name.primitive,
            .peer = name.peer,
            .record_peer = name.peer,
            .event = name.event,
            .start = std::chrono::steady_clock::now()} {}

void CallScope::finish(const Status& status) {
  call_.code = status.code();
  if (!status.ok()) call_.bytes = call_.peer_bytes = 0;
  call_.duration_ns = ns_since(call_.start);
  recorder_.record(call_);
}

void PartTimer::begin() {
  copy_ns_before_ = scope_->call_.copy_ns;
  start_ = std::chrono::steady_clock::now();
}

void PartTimer::end() {
  const uint64_t spent = ns_since(start_);
  if (part_ == CallPart::kCopy) {
    scope_->call_.copy_ns += spent;
  } else {
    scope_->call_.wait_ns += spent - (scope_->call_.copy_ns - copy_ns_before_);
  }
}

}  // namespace switchyard::xccl
