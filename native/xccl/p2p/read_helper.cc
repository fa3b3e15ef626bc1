#include "xccl/p2p/read_helper.h"

#include <sched.h>

#include <algorithm>

#include "base/cpu_relax.h"
#include "base/process_read.h"
#include "base/thread.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {
namespace {

/// What is left of a read that is worth a wake from another core.
constexpr uint64_t kWakeBytesMin = 2 << 20;
/// A receiver that slept is up this long after it was rung for.
constexpr std::chrono::microseconds kLookMax(60);
constexpr uint64_t kSleepNs = 1'000'000'000;
constexpr uint32_t kNumLooksBeforeYield = 1000;

}  // namespace

// ---- The receiver's thread ----

bool ReadHelper::read(int32_t pid, uint64_t address, std::span<std::byte> into, CoreMask cores) {
  if (!is_started_) start();
  pid_ = pid;
  address_ = address;
  into_ = into;
  has_failed_.store(false, std::memory_order_relaxed);
  num_done_.store(0, std::memory_order_relaxed);
  cores_.store(cores, std::memory_order_relaxed);
  const uint64_t num_parts = (into.size() + kHelpedPartBytes - 1) / kHelpedPartBytes;
  num_left_.exchange(num_parts, std::memory_order_seq_cst);
  if (into.size() >= kWakeBytesMin) doorbell_ring(bell_);
  while (take_part()) local_.progress();
  for (uint32_t i = 0; num_done_.load(std::memory_order_acquire) != num_parts; ++i)
    i < kNumLooksBeforeYield ? cpu_relax() : static_cast<void>(sched_yield());
  return !has_failed_.load(std::memory_order_relaxed);
}

void ReadHelper::start() {
  const std::lock_guard lock(mutex_);
  is_started_ = true;
  if (!is_stopping_.load()) thread_ = start_quiet_thread("xccl-read", [this] { run(); });
}

/// False when none is left.
bool ReadHelper::take_part() {
  uint64_t left = num_left_.load(std::memory_order_seq_cst);
  while (left != 0 && !num_left_.compare_exchange_weak(left, left - 1, std::memory_order_seq_cst)) {
  }
  if (left == 0) return false;
  const uint64_t offset = (left - 1) * kHelpedPartBytes;
  const RemotePart part{address_ + offset, into_.subspan(offset, std::min(kHelpedPartBytes, into_.size() - offset))};
  if (!process_read(pid_, {&part, 1})) has_failed_.store(true, std::memory_order_relaxed);
  num_done_.fetch_add(1, std::memory_order_release);
  return true;
}

// ---- The helping thread ----

void ReadHelper::run() {
  CoreMask kept_on = 0;
  const auto check = [this]() -> uint32_t { return has_part() || is_stopping_.load() ? 0 : 1; };
  while (!is_stopping_.load()) {
    const CoreMask cores = cores_.load(std::memory_order_relaxed);
    if (cores != kept_on && keep_this_thread_on(cores)) kept_on = cores;
    while (take_part()) {
    }
    if (doorbell_sleep(bell_, check, kSleepNs)) continue;
    const Deadline end = deadline_in(kLookMax);
    while (check() != 0 && std::chrono::steady_clock::now() < end) cpu_relax();
  }
}

void ReadHelper::stop() {
  const std::lock_guard lock(mutex_);
  is_stopping_.store(true);
  doorbell_force(bell_);
  if (thread_.joinable()) thread_.join();
}

}  // namespace switchyard::xccl
