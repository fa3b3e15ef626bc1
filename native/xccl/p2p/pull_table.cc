#include "xccl/p2p/pull_table.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <string>

#include "base/cpu_relax.h"
#include "base/plain_copy.h"
#include "base/process_read.h"
#include "base/thread.h"

namespace switchyard::xccl {
namespace {

using Clock = std::chrono::steady_clock;

/// Ascending; the first is the smallest that is ever pulled.
constexpr uint64_t kSizes[] = {kPullBytesMin, 64 << 10, 256 << 10};
constexpr uint64_t kBytesMax = 256 << 10;
constexpr size_t kNumRounds = 7;
/// Pulling must win clearly: a send through the ring is over before its receiver comes.
constexpr double kClearly = 0.9;
constexpr std::chrono::milliseconds kPatience(20);

double median(std::array<double, kNumRounds>& samples) {
  std::nth_element(samples.begin(), samples.begin() + kNumRounds / 2, samples.end());
  return samples[kNumRounds / 2];
}

/// A sender and a receiver as threads of this process, with the memory that both paths need. The sender is the calling thread.
class Contest {
 public:
  Contest(std::byte* memory, const RingShape& ring)
      : from_(memory), into_(memory + kBytesMax), slots_(memory + 2 * kBytesMax), ring_(ring) {}

  /// Of the receiver's thread, until the sender says stop.
  void receive();
  void stop() { offer(Round::kStop, 0); }

  /// What a message takes by either path, in seconds; negative when the receiver did not run.
  double by_ring(uint64_t num_bytes) { return time_both(Round::kRing, num_bytes); }
  double by_pull(uint64_t num_bytes) { return time_both(Round::kPull, num_bytes); }

 private:
  enum class Round : uint8_t { kStop, kRing, kPull };

  void offer(Round round, uint64_t num_bytes);
  void give(uint64_t num_bytes);
  void take();
  double time(Round round, uint64_t num_bytes);
  double time_both(Round round, uint64_t num_bytes);

  /// Waits until the word reaches the value; false after kPatience.
  static bool await(const std::atomic<uint64_t>& word, uint64_t value) {
    const Clock::time_point end = Clock::now() + kPatience;
    for (uint32_t i = 1; word.load(std::memory_order_acquire) < value; ++i) {
      cpu_relax();
      if (i % 1024 == 0 && Clock::now() >= end) return false;
    }
    return true;
  }

  std::byte* const from_;
  std::byte* const into_;
  std::byte* const slots_;
  const RingShape ring_;
  Round round_ = Round::kStop;  // with num_bytes_: before num_offered_
  uint64_t num_bytes_ = 0;
  alignas(64) std::atomic<uint64_t> num_offered_{0};
  alignas(64) std::atomic<uint64_t> num_given_{0};  // pieces, ever
  alignas(64) std::atomic<uint64_t> num_taken_{0};  // pieces, ever
  alignas(64) std::atomic<uint64_t> num_over_{0};   // rounds
};

void Contest::offer(Round round, uint64_t num_bytes) {
  round_ = round;
  num_bytes_ = num_bytes;
  num_offered_.fetch_add(1, std::memory_order_release);
}

/// Into the ring, as the messenger does.
void Contest::give(uint64_t num_bytes) {
  for (uint64_t at = 0; at < num_bytes; at += ring_.slot_bytes) {
    const uint64_t piece = num_given_.load(std::memory_order_relaxed);
    if (piece >= ring_.num_slots && !await(num_taken_, piece + 1 - ring_.num_slots)) return;
    const uint64_t length = std::min<uint64_t>(ring_.slot_bytes, num_bytes - at);
    plain_copy(slots_ + piece % ring_.num_slots * ring_.slot_bytes, from_ + at, length);
    num_given_.store(piece + 1, std::memory_order_release);
  }
}

void Contest::take() {
  for (uint64_t at = 0; at < num_bytes_; at += ring_.slot_bytes) {
    const uint64_t piece = num_taken_.load(std::memory_order_relaxed);
    if (!await(num_given_, piece + 1)) return;
    const uint64_t length = std::min<uint64_t>(ring_.slot_bytes, num_bytes_ - at);
    plain_copy(into_ + at, slots_ + piece % ring_.num_slots * ring_.slot_bytes, length);
    num_taken_.store(piece + 1, std::memory_order_release);
  }
}

void Contest::receive() {
  std::memset(into_, 1, kBytesMax);
  const auto self = static_cast<int32_t>(getpid());
  for (uint64_t round = 1;; ++round) {
    while (num_offered_.load(std::memory_order_acquire) < round) cpu_relax();
    if (round_ == Round::kStop) return;
    if (round_ == Round::kRing) take();
    const RemotePart part{reinterpret_cast<uint64_t>(from_), {into_, num_bytes_}};
    if (round_ == Round::kPull && !process_read(self, {&part, 1})) return;
    num_over_.store(round, std::memory_order_release);
  }
}

/// Seconds, or a negative number when the receiver did not come.
double Contest::time(Round round, uint64_t num_bytes) {
  const Clock::time_point start = Clock::now();
  offer(round, num_bytes);
  if (round == Round::kRing) give(num_bytes);
  if (!await(num_over_, num_offered_.load(std::memory_order_relaxed))) return -1;
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// What a message takes that was just written, in the median, and the same message sent once more.
double Contest::time_both(Round round, uint64_t num_bytes) {
  std::array<double, kNumRounds> written;
  std::array<double, kNumRounds> sent_before;
  for (size_t i = 0; i < kNumRounds; ++i) {
    std::memset(from_, static_cast<int>(i), num_bytes);
    written[i] = time(round, num_bytes);
    sent_before[i] = written[i] < 0 ? -1 : time(round, num_bytes);
    if (sent_before[i] < 0) return -1;
  }
  return median(written) + median(sent_before);
}

/// The smallest size such that over all sizes from it on pulling wins in the mean of the ratios: single ones are near the bar.
PullTable hold(Contest& contest) {
  PullTable table;
  double ratios = 0;
  for (size_t num_sizes = 1; num_sizes <= std::size(kSizes); ++num_sizes) {
    const uint64_t num_bytes = kSizes[std::size(kSizes) - num_sizes];
    const double by_ring = contest.by_ring(num_bytes);
    const double by_pull = by_ring < 0 ? -1 : contest.by_pull(num_bytes);
    if (by_pull < 0) return {};
    ratios += by_pull / by_ring;
    if (ratios < kClearly * static_cast<double>(num_sizes)) table.pull_min = num_bytes;
  }
  return table;
}

PullTable measure(CoreMask peer_cores, const RingShape& ring) {
  const int here = sched_getcpu();
  const CoreMask others = here < 0 ? 0 : peer_cores & ~core_bit(static_cast<uint32_t>(here));
  if (others == 0) return {};
  const uint64_t memory_bytes = 2 * kBytesMax + uint64_t{ring.num_slots} * ring.slot_bytes;
  void* memory = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  Contest contest(static_cast<std::byte*>(memory), ring);
  std::thread receiver = start_quiet_thread("xccl-measure", [&] {
    // Where it may not run there it runs anywhere, and is not quicker for it.
    (void)keep_this_thread_on(others);
    contest.receive();
  });
  const PullTable table = hold(contest);
  contest.stop();
  receiver.join();
  munmap(memory, memory_bytes);
  return table;
}

struct ModeRow {
  const char* name;
  PullMode mode;
};

constexpr ModeRow kModes[] = {{"auto", PullMode::kAuto}, {"always", PullMode::kAlways}, {"off", PullMode::kOff}};

}  // namespace

const PullTable& PullTable::measured(CoreMask peer_cores, const RingShape& ring) {
  static const PullTable table = measure(peer_cores, ring);
  return table;
}

bool is_pulled(PullMode mode, uint64_t num_bytes, CoreMask peer_cores, const RingShape& ring) {
  if (mode != PullMode::kAuto) return mode == PullMode::kAlways;
  return num_bytes >= kPullBytesMin && num_bytes >= PullTable::measured(peer_cores, ring).pull_min;
}

Status pull_mode_from_name(std::string_view name, PullMode* out) {
  std::string known;
  for (const ModeRow& row : kModes) {
    if (name == row.name) {
      *out = row.mode;
      return {};
    }
    known += known.empty() ? row.name : std::string(", ") + row.name;
  }
  return {Code::kInvalidArgument, "unknown way of large messages '" + std::string(name) + "'; known: " + known};
}

}  // namespace switchyard::xccl
