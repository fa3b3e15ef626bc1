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

bool read_from(const MappedSource& source, uint64_t offset, std::span<std::byte> into) {
  copy_bytes(into.data(), source.at + offset, into.size(), source.path);
  return true;
}

bool read_from(const RemoteSource& source, uint64_t offset, std::span<std::byte> into) {
  return process_read(source.pid, source.address + offset, into);
}

}  // namespace

// ---- The receiver's thread ----

bool ReadHelper::read(const LinkRef& link, const ReadSource& source, std::span<std::byte> into) {
  if (!is_started_) start();
  source_ = source;
  into_ = into;
  has_failed_.store(false, std::memory_order_relaxed);
  cores_.store(link.target().pull.cores, std::memory_order_relaxed);
  parts_.begin(static_cast<uint32_t>((into.size() + kHelpedPartBytes - 1) / kHelpedPartBytes));
  if (into.size() >= kWakeBytesMin) doorbell_ring(bell_);
  while (link.is_live() && read_part(PartClaims::End::kFront)) local_.progress();
  parts_.withdraw();
  for (uint32_t i = 0; !parts_.are_done(); ++i)
    i < kNumLooksBeforeYield ? cpu_relax() : static_cast<void>(sched_yield());
  return link.is_live() && !has_failed_.load(std::memory_order_relaxed);
}

void ReadHelper::start() {
  const std::lock_guard lock(mutex_);
  is_started_ = true;
  if (!is_stopping_.load()) thread_ = start_quiet_thread("xccl-read", [this] { run(); });
}

/// False when none is left.
bool ReadHelper::read_part(PartClaims::End end) {
  uint32_t part_idx = 0;
  if (!parts_.claim(end, &part_idx)) return false;
  const uint64_t offset = part_idx * kHelpedPartBytes;
  const std::span<std::byte> into = into_.subspan(offset, std::min(kHelpedPartBytes, into_.size() - offset));
  const auto read = [&](const auto& source) { return read_from(source, offset, into); };
  if (!std::visit(read, source_)) has_failed_.store(true, std::memory_order_relaxed);
  parts_.count_done();
  return true;
}

// ---- The helping thread ----

void ReadHelper::run() {
  CoreMask kept_on = 0;
  const auto check = [this]() -> uint32_t { return parts_.is_any_left() || is_stopping_.load() ? 0 : 1; };
  while (!is_stopping_.load()) {
    const CoreMask cores = cores_.load(std::memory_order_relaxed);
    if (cores != kept_on && keep_this_thread_on(cores)) kept_on = cores;
    while (read_part(PartClaims::End::kBack)) {
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
