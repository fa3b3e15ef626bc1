// PinnedWorkers: the threads of a rank that are bound to a core each, so that another thread of the process, the broker, can tell what
// they use and move them. A thread is on the list of the rank that bound it last, and leaves it before it ends: its id, which the
// system may give to another thread then, is never used without the list's lock.
#pragma once

#include <sys/types.h>
#include <time.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <vector>

#include "base/status.h"
#include "xccl/wait/core_choice.h"
#include "xccl/wait/cores.h"

namespace switchyard::xccl {

struct PinnedWorker {
  pid_t thread_id = 0;
  clockid_t clock = 0;
  CoreChoice choice;
  std::optional<std::chrono::nanoseconds> used{};  // at the last look
  double share = 0;                                // of a core, between the last two looks
};

class PinnedWorkers : public std::enable_shared_from_this<PinnedWorkers> {
 public:
  /// Of a rank whose worker i runs on homes[i modulo their number].
  explicit PinnedWorkers(std::vector<uint32_t> homes) : homes_(std::move(homes)) {}

  /// Binds the calling thread; nothing without homes. InvalidArgument when this process may not run there.
  Status pin(uint32_t worker_idx);
  bool is_empty() const;
  /// Calls visit(workers) under the lock: none of the threads ends meanwhile.
  template <class Visit>
  void visit(Visit&& visit) {
    const std::lock_guard lock(mutex_);
    visit(workers_);
  }
  /// Another thread than the worker's own has moved one to another core, or home.
  void count_move() { num_moves_.fetch_add(1, std::memory_order_relaxed); }
  uint64_t num_moves() const { return num_moves_.load(std::memory_order_relaxed); }
  /// Where the workers run now, and the homes of those that are not bound yet.
  CoreMask cores() const;

 private:
  friend class PinnedThread;
  void remove(pid_t thread_id);

  const std::vector<uint32_t> homes_;
  mutable std::mutex mutex_;
  std::vector<PinnedWorker> workers_;
  std::atomic<uint64_t> num_moves_{0};  // ever
};

}  // namespace switchyard::xccl
