#include "xccl/broker/death_watcher.h"

#include <time.h>

#include <cerrno>
#include <utility>

#include "base/thread.h"

namespace switchyard::xccl {

DeathWatcher::DeathWatcher(pthread_mutex_t* mutex, std::function<void()> on_verdict)
    : mutex_(mutex), on_verdict_(std::move(on_verdict)) {
  thread_ = start_quiet_thread("xccl-watcher", [this] {
    const Verdict verdict = watch();
    verdict_.store(verdict, std::memory_order_release);
    if (verdict != Verdict::kStopped) on_verdict_();
  });
}

DeathWatcher::~DeathWatcher() {
  request_stop();
  thread_.join();
}

DeathWatcher::Verdict DeathWatcher::watch() {
  for (;;) {
    const Verdict verdict = lock_for_a_while();
    if (verdict != Verdict::kWatching) return verdict;
    if (is_stopping_.load(std::memory_order_relaxed)) return Verdict::kStopped;
  }
}

DeathWatcher::Verdict DeathWatcher::lock_for_a_while() {
  timespec until{};
  clock_gettime(CLOCK_REALTIME, &until);
  until.tv_nsec += kLookMs * 1'000'000L;
  until.tv_sec += until.tv_nsec / 1'000'000'000L;
  until.tv_nsec %= 1'000'000'000L;
  switch (pthread_mutex_timedlock(mutex_, &until)) {
    case ETIMEDOUT:
      return Verdict::kWatching;
    case EOWNERDEAD:
      // Kept: the watcher's own end gives it up, as its owner's did. (ThreadSanitizer, which does not know that a timed lock
      // can succeed like this, would also call an unlock wrong.)
      return Verdict::kOwnerDied;
    case ENOTRECOVERABLE:
      return Verdict::kOwnerDied;
    case 0:
      pthread_mutex_unlock(mutex_);
      return Verdict::kOwnerLetGo;
    default:
      return Verdict::kBroken;
  }
}

}  // namespace switchyard::xccl
