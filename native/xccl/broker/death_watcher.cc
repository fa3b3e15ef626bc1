#include "xccl/broker/death_watcher.h"

#include <linux/futex.h>

#include <chrono>
#include <utility>

#include "base/futex.h"
#include "base/thread.h"

namespace switchyard::xccl {

DeathWatcher::DeathWatcher(std::atomic<uint32_t>& word, std::function<void()> on_verdict)
    : word_(word), owner_(word.load(std::memory_order_acquire) & FUTEX_TID_MASK), on_verdict_(std::move(on_verdict)) {
  thread_ = start_quiet_thread("xccl-watcher", [this] {
    const Verdict verdict = watch();
    ended_.store(verdict, std::memory_order_release);
    if (verdict != Verdict::kStopped) on_verdict_();
  });
}

DeathWatcher::~DeathWatcher() {
  while (!is_done()) {
    request_stop();
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  thread_.join();
}

void DeathWatcher::request_stop() {
  is_stopping_.store(true, std::memory_order_seq_cst);
  if (!is_done()) futex_wake(word_);
}

DeathWatcher::Verdict DeathWatcher::verdict() const {
  const Verdict ended = ended_.load(std::memory_order_acquire);
  return ended != Verdict::kWatching ? ended : judge(word_.load(std::memory_order_acquire));
}

DeathWatcher::Verdict DeathWatcher::judge(uint32_t value) const {
  if ((value & FUTEX_OWNER_DIED) != 0) return Verdict::kOwnerDied;
  const uint32_t owner = value & FUTEX_TID_MASK;
  if (owner == 0) return Verdict::kOwnerLetGo;
  return owner == owner_ ? Verdict::kWatching : Verdict::kBroken;
}

DeathWatcher::Verdict DeathWatcher::watch() {
  for (;;) {
    if (is_stopping_.load(std::memory_order_seq_cst)) return Verdict::kStopped;
    uint32_t value = word_.load(std::memory_order_acquire);
    const Verdict verdict = judge(value);
    if (verdict != Verdict::kWatching) return verdict;
    // The kernel, and who lets go, wake only where somebody waits.
    const bool is_marked = (value & FUTEX_WAITERS) != 0;
    if (!is_marked && !word_.compare_exchange_strong(value, value | FUTEX_WAITERS, std::memory_order_seq_cst)) continue;
    futex_wait(word_, value | FUTEX_WAITERS);
  }
}

}  // namespace switchyard::xccl
