// The threads that compute for one executor: its own thread and num_threads - 1 workers. Called by the executor's blocks, hundreds of times a
// step, with pieces of work that write to different places, so that results depend neither on the number of threads nor on who did what.
//
//     run ──job, num_left = n──> everybody takes tasks ──num_left = 0, num_done = n──> run returns
//
// A worker looks for the next region for kAwakeMax and then sleeps, so an idle pool takes no time. The caller never depends on a worker
// waking up: it does what nobody else has taken.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <thread>
#include <vector>

namespace switchyard {

class ThreadPool {
 public:
  /// How long a worker stays awake after a region: more than what lies between two regions of a step.
  static constexpr std::chrono::microseconds kAwakeMax{50};

  /// num_threads: 1 and more, the calling thread counted. on_start: runs first on worker i, 1 .. num_threads - 1, and may bind it to a core.
  explicit ThreadPool(int num_threads, std::function<void(int worker)> on_start = {});
  /// Ends the workers. No region may be running.
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int num_threads() const { return static_cast<int>(workers_.size()) + 1; }

  /// A region: body(task, worker) for every task in [0, num_tasks), in any order, on any thread, each worker index on one thread at a time
  /// (0 is the caller). Returns when all are done; allocates nothing. One caller at a time: a region within a region ends the process,
  /// as does an exception.
  template <class Body>
  void run(int num_tasks, const Body& body) {
    const auto call = [](const void* any, int task, int worker) noexcept {
      (*static_cast<const Body*>(any))(task, worker);
    };
    run_job({call, &body, static_cast<uint32_t>(std::max(num_tasks, 0))});
  }

  /// body(first, end, worker) over num_pieces pieces of [0, count), as equal as whole items allow; no more than count, and at least one
  /// where there is an item.
  template <class Body>
  void run_ranges(int count, int num_pieces, const Body& body) {
    num_pieces = std::clamp(num_pieces, std::min(count, 1), count);
    run(num_pieces, [&](int piece, int worker) {
      body(start_of(piece, count, num_pieces), start_of(piece + 1, count, num_pieces), worker);
    });
  }

 private:
  struct Job {
    void (*call)(const void* body, int task, int worker) noexcept = nullptr;
    const void* body = nullptr;
    uint32_t num_tasks = 0;
  };

  static int start_of(int piece, int count, int num_pieces) {
    return static_cast<int>(static_cast<int64_t>(count) * piece / num_pieces);
  }

  void run_job(const Job& job);
  void share(const Job& job);
  void take_tasks(int worker);
  void wait_done();
  void work(int worker);
  void wait_for_tasks();

  Job job_;  // caller; stands still while a task of it is taken and not done
  std::atomic<bool> is_running_{false};
  alignas(64) std::atomic<uint32_t> num_left_{0};  // tasks that nobody has taken
  alignas(64) std::atomic<uint32_t> num_done_{0};  // the caller may sleep on it
  std::atomic<bool> is_caller_asleep_{false};
  alignas(64) std::atomic<uint32_t> num_asleep_{0};  // workers that sleep on bell_, or are about to
  std::atomic<uint32_t> bell_{0};
  std::atomic<bool> is_closing_{false};
  std::vector<std::thread> workers_;
};

}  // namespace switchyard
