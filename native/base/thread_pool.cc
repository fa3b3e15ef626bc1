// Memory order: who takes a task by the compare-exchange on num_left_ reads from the caller's store of it, or from another thread's taking
// in the same release sequence, so it sees job_ and whatever the caller wrote before. A late worker that takes a task of a newer region than
// the one it looked at is right all the same, since it reads job_ only afterwards. num_done_ hands the results back.
// Sleep: the worker counts itself in num_asleep_, reads bell_, looks at num_left_, sleeps; the caller stores num_left_, looks at num_asleep_,
// rings. All seq_cst, so one of the two sees the other. The caller's own sleep is the same with is_caller_asleep_ and num_done_.
#include "base/thread_pool.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "base/cpu_relax.h"
#include "base/futex.h"
#include "base/thread.h"

namespace switchyard {
namespace {

constexpr int kLooksAtOnce = 32;  // between two readings of the clock

/// Looks until the condition holds (true) or the time is over (false).
template <class Condition>
bool look_for_a_while(const Condition& condition) {
  if (condition()) return true;
  const auto end = std::chrono::steady_clock::now() + ThreadPool::kAwakeMax;
  do {
    for (int i = 0; i < kLooksAtOnce; ++i) {
      cpu_relax();
      if (condition()) return true;
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

[[noreturn]] void refuse_nested() {
  std::fputs("ThreadPool: a region was started while another one runs\n", stderr);
  std::abort();
}

}  // namespace

ThreadPool::ThreadPool(int num_threads, std::function<void(int worker)> on_start) {
  for (int worker = 1; worker < num_threads; ++worker) {
    workers_.push_back(start_quiet_thread("sy-compute", [this, worker, on_start] {
      if (on_start) on_start(worker);
      work(worker);
    }));
  }
}

ThreadPool::~ThreadPool() {
  is_closing_ = true;
  bell_.fetch_add(1);
  futex_wake(bell_);
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::run_job(const Job& job) {
  if (is_running_.exchange(true, std::memory_order_acquire)) refuse_nested();
  if (job.num_tasks < 2 || workers_.empty()) {
    for (uint32_t task = 0; task < job.num_tasks; ++task) job.call(job.body, static_cast<int>(task), 0);
  } else {
    share(job);
  }
  is_running_.store(false, std::memory_order_release);
}

void ThreadPool::share(const Job& job) {
  job_ = job;
  num_done_.store(0, std::memory_order_relaxed);
  num_left_.store(job.num_tasks);
  const uint32_t num_asleep = num_asleep_.load();
  const auto num_awake = static_cast<uint32_t>(workers_.size()) - num_asleep;
  if (num_asleep > 0 && job.num_tasks - 1 > num_awake) {
    bell_.fetch_add(1);
    futex_wake(bell_);
  }
  take_tasks(0);
  wait_done();
}

void ThreadPool::take_tasks(int worker) {
  uint32_t num_taken = 0;
  for (uint32_t left = num_left_.load(std::memory_order_relaxed); left > 0;) {
    if (!num_left_.compare_exchange_weak(left, left - 1, std::memory_order_acq_rel, std::memory_order_relaxed))
      continue;
    job_.call(job_.body, static_cast<int>(job_.num_tasks - left), worker);
    ++num_taken;
    left = num_left_.load(std::memory_order_relaxed);
  }
  if (num_taken == 0) return;
  const uint32_t num_tasks = job_.num_tasks;
  if (num_done_.fetch_add(num_taken) + num_taken == num_tasks && is_caller_asleep_.load()) futex_wake(num_done_);
}

void ThreadPool::wait_done() {
  const uint32_t num_tasks = job_.num_tasks;
  if (look_for_a_while([&] { return num_done_.load(std::memory_order_acquire) == num_tasks; })) return;
  is_caller_asleep_ = true;
  for (uint32_t done = num_done_.load(); done != num_tasks; done = num_done_.load()) futex_wait(num_done_, done);
  is_caller_asleep_ = false;
}

void ThreadPool::work(int worker) {
  while (!is_closing_) {
    take_tasks(worker);
    wait_for_tasks();
  }
}

void ThreadPool::wait_for_tasks() {
  const auto is_over = [&] { return num_left_.load() > 0 || is_closing_.load(); };
  if (look_for_a_while(is_over)) return;
  num_asleep_.fetch_add(1);
  for (uint32_t seen = bell_.load(); !is_over(); seen = bell_.load()) futex_wait(bell_, seen);
  num_asleep_.fetch_sub(1);
}

}  // namespace switchyard
