#include "xccl/p2p/pull_table.h"

#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cstring>
#include <span>

#include "base/cpu_relax.h"
#include "base/find_by_name.h"
#include "base/plain_copy.h"
#include "base/process_read.h"
#include "base/thread.h"

namespace switchyard::xccl {
namespace {

using Clock = std::chrono::steady_clock;

/// Ascending; the first is the smallest that is ever pulled.
constexpr uint64_t kSizesAlone[] = {kPullBytesMin, 64 << 10, 256 << 10};
constexpr uint64_t kSizesHelped[] = {kHelpedBytesMin, 1 << 20};
constexpr uint64_t kBytesMax = 1 << 20;
constexpr size_t kNumRounds = 11;
/// Pulling must win clearly: a send through the ring is over before its receiver comes.
constexpr double kClearly = 0.9;
constexpr std::chrono::milliseconds kPatience(20);
/// Of the whole: where threads wait for cores nothing is learned, and the calling one has messages of its own to see to.
constexpr std::chrono::milliseconds kPatienceOfAll(50);

/// How a message is handed over: through the ring, read by process_vm_readv, or copied as a region is. Shared: both threads take parts of
/// it, as when the receiver is helped.
enum class Round : uint8_t { kStop, kRing, kPull, kPullShared, kCopy, kCopyShared };

bool is_shared(Round round) { return round == Round::kPullShared || round == Round::kCopyShared; }

/// False after kPatience.
template <class IsThere>
bool await(IsThere&& is_there) {
  const Clock::time_point end = Clock::now() + kPatience;
  for (uint32_t i = 1; !is_there(); ++i) {
    cpu_relax();
    if (i % 1024 == 0 && Clock::now() >= end) return false;
  }
  return true;
}

/// Waits until the word reaches the value.
bool await(const std::atomic<uint64_t>& word, uint64_t value) {
  return await([&] { return word.load(std::memory_order_acquire) >= value; });
}

/// One direction between two threads of this process, with what either way needs.
class Lane {
 public:
  static uint64_t memory_bytes(const RingShape& ring) {
    return 2 * kBytesMax + uint64_t{ring.num_slots} * ring.slot_bytes;
  }
  Lane(std::byte* memory, const RingShape& ring)
      : from_(memory), into_(memory + kBytesMax), slots_(memory + 2 * kBytesMax), ring_(ring) {}

  // The sender's thread.
  void write(uint64_t num_bytes) { std::memset(from_, static_cast<int>(++num_written_), num_bytes); }
  /// False when the receiver did not run.
  bool send(Round round, uint64_t num_bytes);

  // The receiver's thread.
  void touch() { std::memset(into_, 1, kBytesMax); }
  Round round() const { return round_.load(std::memory_order_relaxed); }
  uint64_t num_bytes() const { return num_bytes_.load(std::memory_order_relaxed); }
  /// Takes the next message; false when none came, or reading is not allowed.
  bool receive();

 private:
  void give(uint64_t num_bytes);
  void take(uint64_t num_bytes);
  void read(uint64_t offset, uint64_t num_bytes);
  void read_parts(PartClaims::End end);
  bool receive_parts();

  std::byte* const from_;
  std::byte* const into_;
  std::byte* const slots_;
  const RingShape ring_;
  uint64_t num_written_ = 0;
  // Of the message: stored before num_offered_.
  std::atomic<Round> round_{Round::kStop};
  std::atomic<uint64_t> num_bytes_{0};
  alignas(64) std::atomic<uint64_t> num_offered_{0};
  alignas(64) std::atomic<uint64_t> num_given_{0};  // pieces, ever
  alignas(64) std::atomic<uint64_t> num_taken_{0};  // pieces, ever
  alignas(64) std::atomic<uint64_t> num_over_{0};   // messages
  PartClaims parts_;                                // of a shared read
  std::atomic<bool> has_failed_{false};
};

bool Lane::send(Round round, uint64_t num_bytes) {
  round_.store(round, std::memory_order_relaxed);
  num_bytes_.store(num_bytes, std::memory_order_relaxed);
  if (is_shared(round)) parts_.begin(static_cast<uint32_t>(num_bytes / kHelpedPartBytes));
  const uint64_t number = num_offered_.fetch_add(1, std::memory_order_release) + 1;
  if (round == Round::kRing) give(num_bytes);
  if (is_shared(round)) read_parts(PartClaims::End::kBack);
  return await(num_over_, number);
}

/// Into the ring, as the messenger does.
void Lane::give(uint64_t num_bytes) {
  for (uint64_t at = 0; at < num_bytes; at += ring_.slot_bytes) {
    const uint64_t piece = num_given_.load(std::memory_order_relaxed);
    if (piece >= ring_.num_slots && !await(num_taken_, piece + 1 - ring_.num_slots)) return;
    const uint64_t length = std::min<uint64_t>(ring_.slot_bytes, num_bytes - at);
    plain_copy(slots_ + piece % ring_.num_slots * ring_.slot_bytes, from_ + at, length);
    num_given_.store(piece + 1, std::memory_order_release);
  }
}

void Lane::take(uint64_t num_bytes) {
  for (uint64_t at = 0; at < num_bytes; at += ring_.slot_bytes) {
    const uint64_t piece = num_taken_.load(std::memory_order_relaxed);
    if (!await(num_given_, piece + 1)) return;
    const uint64_t length = std::min<uint64_t>(ring_.slot_bytes, num_bytes - at);
    plain_copy(into_ + at, slots_ + piece % ring_.num_slots * ring_.slot_bytes, length);
    num_taken_.store(piece + 1, std::memory_order_release);
  }
}

void Lane::read(uint64_t offset, uint64_t num_bytes) {
  if (round() == Round::kCopy || round() == Round::kCopyShared)
    return plain_copy(into_ + offset, from_ + offset, num_bytes);
  const auto address = reinterpret_cast<uint64_t>(from_ + offset);
  if (!process_read(getpid(), address, {into_ + offset, num_bytes})) has_failed_.store(true, std::memory_order_relaxed);
}

void Lane::read_parts(PartClaims::End end) {
  for (uint32_t part_idx = 0; parts_.claim(end, &part_idx); parts_.count_done())
    read(part_idx * kHelpedPartBytes, kHelpedPartBytes);
}

/// False when the sender did not finish its own.
bool Lane::receive_parts() {
  read_parts(PartClaims::End::kFront);
  return await([&] { return parts_.are_done(); });
}

bool Lane::receive() {
  const uint64_t number = num_over_.load(std::memory_order_relaxed) + 1;
  if (!await(num_offered_, number)) return false;
  if (round() == Round::kRing) take(num_bytes());
  if (round() == Round::kPull || round() == Round::kCopy) read(0, num_bytes());
  if (is_shared(round()) && !receive_parts()) return false;
  if (has_failed_.load(std::memory_order_relaxed)) return false;
  num_over_.store(number, std::memory_order_release);
  return true;
}

/// Two ranks that send to each other, as threads: their buffers share the caches. The calling thread is measured.
class Contest {
 public:
  static uint64_t memory_bytes(const RingShape& ring) { return 2 * Lane::memory_bytes(ring); }
  Contest(std::byte* memory, const RingShape& ring)
      : there_(memory, ring), back_(memory + Lane::memory_bytes(ring), ring) {
    back_.touch();
  }

  /// The other thread, until it is stopped or the first one does not come any more.
  void answer() {
    there_.touch();
    while (there_.receive() && there_.round() != Round::kStop) {
      back_.write(there_.num_bytes());
      if (!back_.send(there_.round(), there_.num_bytes())) return;
    }
  }
  void stop() { (void)there_.send(Round::kStop, 0); }

  /// What a message takes that was just written, as messages are, in the median: seconds, or a negative number when the other thread did
  /// not run, or the time for all is over.
  double time_written(Round round, uint64_t num_bytes) {
    std::array<double, kNumRounds> samples;
    for (double& sample : samples) {
      there_.write(num_bytes);
      const Clock::time_point start = Clock::now();
      if (!there_.send(round, num_bytes)) return -1;
      sample = std::chrono::duration<double>(Clock::now() - start).count();
      if (!back_.receive() || Clock::now() >= end_) return -1;
    }
    std::nth_element(samples.begin(), samples.begin() + kNumRounds / 2, samples.end());
    return samples[kNumRounds / 2];
  }

 private:
  Lane there_;
  Lane back_;
  const Clock::time_point end_ = Clock::now() + kPatienceOfAll;
};

/// Does one way win over another at these sizes in the mean of the ratios? One of them alone may lie near the bar.
bool does_win(Contest& contest, Round way, Round other, std::span<const uint64_t> sizes) {
  double ratios = 0;
  for (const uint64_t num_bytes : sizes) {
    const double by_other = contest.time_written(other, num_bytes);
    const double by_way = by_other < 0 ? -1 : contest.time_written(way, num_bytes);
    if (by_way < 0) return false;
    ratios += by_way / by_other;
  }
  return ratios < kClearly * static_cast<double>(sizes.size());
}

PullTable measure(CoreMask peer_cores, const RingShape& ring) {
  const int here = sched_getcpu();
  const CoreMask others = here < 0 ? 0 : peer_cores & ~core_bit(static_cast<uint32_t>(here));
  if (others == 0) return {};
  const uint64_t memory_bytes = Contest::memory_bytes(ring);
  void* memory = mmap(nullptr, memory_bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) return {};
  Contest contest(static_cast<std::byte*>(memory), ring);
  std::thread other = start_quiet_thread("xccl-measure", [&] {
    // Where it may not run there it runs anywhere, and is not quicker for it.
    (void)keep_this_thread_on(others);
    contest.answer();
  });
  PullTable table;
  // First: pulling may not be allowed, and then nothing can be measured after it.
  if (does_win(contest, Round::kCopyShared, Round::kCopy, kSizesHelped)) table.region_helped_min = kSizesHelped[0];
  if (does_win(contest, Round::kPull, Round::kRing, kSizesAlone)) table.alone_min = kSizesAlone[0];
  if (does_win(contest, Round::kPullShared, Round::kRing, kSizesHelped)) table.helped_min = kSizesHelped[0];
  contest.stop();
  other.join();
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

bool is_pulled(PullMode mode, uint64_t num_bytes, bool is_helped, CoreMask peer_cores, const RingShape& ring) {
  if (mode != PullMode::kAuto) return mode == PullMode::kAlways;
  if (num_bytes < kPullBytesMin) return false;
  const PullTable& table = PullTable::measured(peer_cores, ring);
  return num_bytes >= table.alone_min || (is_helped && num_bytes >= table.helped_min);
}

bool is_region_shared(PullMode mode, uint64_t num_bytes, CoreMask peer_cores, const RingShape& ring) {
  return mode == PullMode::kAlways || num_bytes >= PullTable::measured(peer_cores, ring).region_helped_min;
}

Status pull_mode_from_name(std::string_view name, PullMode* out) {
  const ModeRow* row = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(find_by_name(kModes, "way of large messages", name, &row));
  *out = row->mode;
  return {};
}

}  // namespace switchyard::xccl
