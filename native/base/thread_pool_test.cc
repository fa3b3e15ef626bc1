// Every task once, whatever threads do; sleep, closing, and what is refused.
#include "base/thread_pool.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <random>

#include "test/test.h"

using namespace switchyard;

namespace {

double process_cpu_ms() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  return (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) * 1e3 +
         (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e3;
}

/// True when this many tasks were each run once and all had been done at the end.
bool runs_each_once(ThreadPool* pool, int num_tasks, std::vector<int>* counts) {
  counts->assign(num_tasks, 0);
  pool->run(num_tasks, [&](int task, int worker) {
    if (worker >= 0 && worker < pool->num_threads()) ++(*counts)[task];
  });
  return std::ranges::all_of(*counts, [](int count) { return count == 1; });
}

/// How a child ends that starts a region within a region.
int status_of_nested(int num_tasks) {
  const pid_t child = fork();
  if (child == 0) {
    std::freopen("/dev/null", "w", stderr);
    ThreadPool pool(1);
    pool.run(num_tasks, [&](int, int) { pool.run(1, [](int, int) {}); });
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return status;
}

}  // namespace

TEST(a_pool_runs_every_task_once) {
  std::mt19937_64 random(test::seed());
  std::vector<int> counts;
  for (const int num_threads : {1, 2, 3, 5}) {
    ThreadPool pool(num_threads);
    CHECK(pool.num_threads() == num_threads);
    for (int i = 0; i < 200; ++i) CHECK(runs_each_once(&pool, static_cast<int>(random() % 40), &counts));
  }
}

TEST(a_pool_runs_thousands_of_tiny_regions_and_hands_results_on) {
  for (const int num_threads : {2, 5}) {
    ThreadPool pool(num_threads);
    std::vector<uint64_t> values(7, 0);
    for (uint64_t round = 1; round <= 20'000; ++round) {
      // Each region reads what another thread wrote in the one before.
      const uint64_t before = values[(round + 3) % values.size()];
      pool.run(static_cast<int>(values.size()), [&](int task, int) { values[task] += before == round - 1; });
    }
    for (const uint64_t value : values) CHECK(value == 20'000);
  }
}

TEST(a_pool_gives_one_index_to_one_thread_at_a_time) {
  ThreadPool pool(5);
  std::vector<std::atomic<int>> num_inside(5);
  std::atomic<int> num_doubled{0};
  for (int i = 0; i < 500; ++i) {
    pool.run(20, [&](int, int worker) {
      if (num_inside[worker].fetch_add(1) != 0) ++num_doubled;
      num_inside[worker].fetch_sub(1);
    });
  }
  CHECK(num_doubled == 0);
}

TEST(a_pool_cuts_ranges_without_gaps) {
  std::mt19937_64 random(test::seed());
  for (const int num_threads : {1, 2, 3}) {
    ThreadPool pool(num_threads);
    for (int i = 0; i < 200; ++i) {
      const int count = static_cast<int>(random() % 100);
      const int wanted = static_cast<int>(random() % 12);
      const int expected = std::min(std::max(wanted, 1), count);
      std::vector<int> visits(count, 0);
      std::atomic<int> num_pieces{0};
      std::atomic<int> num_uneven{0};
      pool.run_ranges(count, wanted, [&](int first, int end, int) {
        ++num_pieces;
        if (std::abs((end - first) * expected - count) >= expected) ++num_uneven;
        for (int item = first; item < end; ++item) ++visits[item];
      });
      CHECK(num_pieces == expected);
      CHECK(num_uneven == 0);
      CHECK(std::ranges::all_of(visits, [](int visit) { return visit == 1; }));
    }
  }
}

TEST(a_pool_sleeps_between_regions_and_wakes) {
  ThreadPool pool(3);
  std::vector<int> counts;
  for (int i = 0; i < 10; ++i) {
    CHECK(runs_each_once(&pool, 9, &counts));
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
  }
  const double before = process_cpu_ms();
  std::this_thread::sleep_for(std::chrono::milliseconds(200));
  CHECK(process_cpu_ms() - before < 20.0);
}

TEST(a_pool_waits_asleep_for_a_long_task) {
  ThreadPool pool(2);
  std::atomic<bool> has_worker{false};
  std::vector<int> counts(2, 0);
  pool.run(2, [&](int task, int worker) {
    ++counts[task];
    // The caller waits for the other task to be taken, so that its own end is not the region's.
    for (int i = 0; i < 2000 && worker == 0 && !has_worker; ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (worker == 0) return;
    has_worker = true;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  });
  CHECK(counts == std::vector<int>({1, 1}));
}

TEST(a_pool_starts_its_workers_by_number_and_closes_at_any_time) {
  for (int i = 0; i < 20; ++i) {
    std::atomic<int> started{0};
    {
      ThreadPool pool(4, [&](int worker) { started += 1 << worker; });
      if (i % 2 == 0) pool.run(8, [](int, int) {});
      if (i % 4 == 1) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
    CHECK(started == 0b1110);
  }
}

TEST(a_pool_refuses_a_region_within_a_region) {
  for (const int num_tasks : {1, 3}) {
    const int status = status_of_nested(num_tasks);
    CHECK(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
  }
}
