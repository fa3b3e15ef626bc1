// DeathWatcher: a thread that sleeps on this rank's word among a peer's alive words (alive_words.h). The kernel wakes it within
// milliseconds of the end of the peer's broker, long before that process's memory is torn down and the connection ends. One a
// link; made and joined by the broker. It costs nothing while the peer lives: the broker's own ticks look at the word too.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <thread>

namespace switchyard::xccl {

class DeathWatcher {
 public:
  enum class Verdict : uint8_t { kWatching, kOwnerDied, kOwnerLetGo, kBroken, kStopped };

  /// `word` stays mapped until is_done(). `on_verdict` is called once from the watcher's thread, unless stopped before.
  DeathWatcher(std::atomic<uint32_t>& word, std::function<void()> on_verdict);
  /// Stops and joins.
  ~DeathWatcher();

  /// Ends the thread soon. A wake just before it falls asleep is lost: repeat until is_done().
  void request_stop();
  bool is_done() const { return ended_.load(std::memory_order_acquire) != Verdict::kWatching; }
  /// What the thread found, or what the word says now. The word must still be mapped.
  Verdict verdict() const;

 private:
  Verdict judge(uint32_t value) const;
  Verdict watch();

  std::atomic<uint32_t>& word_;
  const uint32_t owner_;  // thread id that the word began with
  const std::function<void()> on_verdict_;
  std::atomic<bool> is_stopping_{false};
  std::atomic<Verdict> ended_{Verdict::kWatching};
  std::thread thread_;
};

}  // namespace switchyard::xccl
