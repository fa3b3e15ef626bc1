// DeathWatcher: a thread that blocks on a robust mutex in a peer's control segment. The peer's broker holds it for life, so the
// kernel wakes us with EOWNERDEAD within milliseconds of the process's death, long before its memory is torn down and the
// connection ends. One a link; made and joined by the broker.
#pragma once

#include <pthread.h>

#include <atomic>
#include <functional>
#include <thread>

namespace switchyard::xccl {

class DeathWatcher {
 public:
  enum class Verdict : uint8_t { kWatching, kOwnerDied, kOwnerLetGo, kBroken, kStopped };

  /// `mutex` stays mapped until is_done(). `on_verdict` is called once from the watcher's thread, unless stopped before.
  DeathWatcher(pthread_mutex_t* mutex, std::function<void()> on_verdict);
  /// Joins; takes up to kLookMs when the watcher was not done.
  ~DeathWatcher();

  void request_stop() { is_stopping_.store(true, std::memory_order_relaxed); }
  bool is_done() const { return verdict() != Verdict::kWatching; }
  Verdict verdict() const { return verdict_.load(std::memory_order_acquire); }

 private:
  static constexpr int kLookMs = 100;

  Verdict watch();
  Verdict lock_for_a_while();

  pthread_mutex_t* const mutex_;
  const std::function<void()> on_verdict_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<Verdict> verdict_{Verdict::kWatching};
  std::thread thread_;
};

}  // namespace switchyard::xccl
