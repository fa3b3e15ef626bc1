// The watch over cores: threads are really bound and moved, while what cores and threads do is invented, so that nothing depends on
// what else this machine runs.
#include "xccl/wait/core_watch.h"

#include <sched.h>

#include <latch>
#include <map>
#include <thread>

#include "xccl/broker/broker.h"
#include "xccl/test_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

class InventedMeter final : public CoreMeter {
 public:
  Deadline now() const override { return time; }
  std::vector<IdleTime> idle_times(std::span<const uint32_t> cores) const override {
    ++num_reads;
    std::vector<IdleTime> times;
    for (const uint32_t core : cores) times.emplace_back(idle.contains(core) ? IdleTime(idle.at(core)) : IdleTime());
    return times;
  }
  std::optional<std::chrono::nanoseconds> used(clockid_t) const override { return used_by_each; }

  Deadline time{1000s};
  std::map<uint32_t, std::chrono::nanoseconds> idle;
  std::chrono::nanoseconds used_by_each{0};
  mutable uint32_t num_reads = 0;
};

/// A thread bound to the list's first core until it is told to end.
class Worker {
 public:
  explicit Worker(PinnedWorkers& workers, uint32_t idx = 0) {
    thread_ = std::thread([this, &workers, idx] {
      thread_id_ = gettid();
      CHECK(workers.pin(idx).ok());
      is_bound_.count_down();
      may_end_.wait();
    });
    is_bound_.wait();
  }
  ~Worker() { end(); }
  void end() {
    if (!thread_.joinable()) return;
    may_end_.count_down();
    thread_.join();
  }
  CoreMask cores() const {
    cpu_set_t set;
    CPU_ZERO(&set);
    CHECK(sched_getaffinity(thread_id_, sizeof(set), &set) == 0);
    CoreMask mask = 0;
    for (uint32_t core = 0; core < CPU_SETSIZE; ++core) mask |= CPU_ISSET(core, &set) ? core_bit(core) : 0;
    return mask;
  }

 private:
  std::latch is_bound_{1};
  std::latch may_end_{1};
  pid_t thread_id_ = 0;
  std::thread thread_;
};

/// The first two cores of this process; fewer where it has no more.
std::vector<uint32_t> two_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
  std::vector<uint32_t> cores;
  for (uint32_t core = 0; core < CPU_SETSIZE && cores.size() < 2; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

constexpr double kOwnShare = 0.4;

/// A rank with homes among `cores`, watched over by hand.
struct Bench {
  explicit Bench(std::vector<uint32_t> cores, std::vector<uint32_t> homes)
      : list(std::make_shared<PinnedWorkers>(homes)), watch(*list, *fixed, cores, meter) {
    for (const uint32_t core : cores) meter.idle[core] = 5s;
    fixed->progress.cores = list->cores();
  }
  /// Windows in which every worker used `own` of its core and others' work `foreign` of those cores.
  void pass(uint32_t num_windows, const std::map<uint32_t, double>& foreign, double own = kOwnShare,
            std::chrono::nanoseconds window = CoreWatch::kWindow) {
    for (uint32_t i = 0; i < num_windows; ++i) {
      std::map<uint32_t, double> busy = foreign;
      list->visit([&](const std::vector<PinnedWorker>& workers) {
        for (const PinnedWorker& worker : workers) busy[worker.choice.core()] += own;
      });
      meter.time += window;
      meter.used_by_each += std::chrono::duration_cast<std::chrono::nanoseconds>(window * own);
      for (auto& [core, idle] : meter.idle)
        idle += std::chrono::duration_cast<std::chrono::nanoseconds>(window * std::max(0.0, 1 - busy[core]));
      watch.look(peers);
    }
  }
  CoreMask announced() const { return fixed->progress.cores.load(); }
  uint32_t share_of(uint32_t core) const { return fixed->core_shares.of[core % kNumCoreShares].load(); }

  std::unique_ptr<CtrlFixed> fixed = std::make_unique<CtrlFixed>();
  std::shared_ptr<PinnedWorkers> list;
  InventedMeter meter;
  CoreUses peers;
  CoreWatch watch;
};

/// Runs `body(home, refuge)` where there are two cores.
template <class Body>
void with_two_cores(Body&& body) {
  const std::vector<uint32_t> cores = two_cores();
  if (cores.size() < 2) {
    std::puts("skipped: one core");
    return;
  }
  body(cores[1], cores[0]);
}

TEST(xccl_core_watch_moves_a_thread_away_and_home) {
  with_two_cores([](uint32_t home, uint32_t refuge) {
    Bench bench({refuge, home}, {home});
    const Worker worker(*bench.list);
    CHECK(worker.cores() == core_bit(home));
    // The first look begins a window, the next ones end one each.
    bench.pass(1, {{home, 0.6}});
    bench.pass(kNumHeldWindows - 1, {{home, 0.6}});
    CHECK(worker.cores() == core_bit(home));
    bench.pass(1, {{home, 0.6}});
    CHECK(worker.cores() == core_bit(refuge) && bench.announced() == core_bit(refuge));
    CHECK(bench.list->num_moves() == 1);
    bench.pass(100, {{home, 1.0}});
    CHECK(worker.cores() == core_bit(refuge) && bench.share_of(refuge) == 400 && bench.share_of(home) == 0);
    bench.pass(kNumFreeWindows, {});
    CHECK(worker.cores() == core_bit(home) && bench.announced() == core_bit(home));
    CHECK(bench.list->num_moves() == 2);
  });
}

TEST(xccl_core_watch_does_not_take_ranks_for_others) {
  with_two_cores([](uint32_t home, uint32_t refuge) {
    Bench bench({refuge, home}, {home});
    const Worker worker(*bench.list);
    // A peer that uses the rest of the core, and says so.
    bench.peers.add_worker(home, 0.6);
    bench.pass(100, {{home, 0.6}});
    CHECK(worker.cores() == core_bit(home));
  });
}

TEST(xccl_core_watch_believes_a_peer_one_core_a_core) {
  CoreShares shares{};
  for (auto& share : shares.of) share = UINT16_MAX;
  CoreUses peers;
  peers.add_peer(~CoreMask{0}, shares);
  for (uint32_t core = 0; core < kNumCoreShares; ++core)
    CHECK(peers.of(core).share == 1.0 && peers.of(core).num_ranks == 1);
  CoreUses silent;
  silent.add_peer(0, CoreShares{});
  CHECK(silent.of(0).share == 0 && silent.of(0).num_ranks == 0);
}

TEST(xccl_core_watch_stays_where_peers_say_nonsense) {
  with_two_cores([](uint32_t home, uint32_t refuge) {
    Bench bench({refuge, home}, {home});
    const Worker worker(*bench.list);
    CoreShares shares{};
    for (auto& share : shares.of) share = UINT16_MAX;
    for (int i = 0; i < 63; ++i) bench.peers.add_peer(~CoreMask{0}, shares);
    bench.pass(100, {{home, 0.6}});
    CHECK(worker.cores() == core_bit(home));
  });
}

TEST(xccl_core_watch_reads_nothing_while_workers_idle) {
  with_two_cores([](uint32_t home, uint32_t refuge) {
    Bench bench({refuge, home}, {home});
    CHECK(!bench.watch.may_look(bench.meter.time) && bench.watch.next_look() == Deadline::max());
    const Worker worker(*bench.list);
    CHECK(bench.watch.may_look(bench.meter.time));
    bench.pass(3, {});
    CHECK(bench.share_of(home) == 400 && bench.watch.next_look() == bench.meter.time + CoreWatch::kWindow);
    CHECK(!bench.watch.may_look(bench.meter.time) && bench.watch.may_look(bench.watch.next_look()));
    const uint32_t num_reads = bench.meter.num_reads;
    CHECK(num_reads == 3);
    bench.pass(100, {{home, 1.0}}, 0);
    CHECK(bench.meter.num_reads == num_reads && bench.share_of(home) == 0 && worker.cores() == core_bit(home));
    CHECK(bench.watch.next_look() == Deadline::max());
    Bench without({}, {home});
    const Worker other(*without.list);
    CHECK(!without.watch.may_look(without.meter.time));
  });
}

TEST(xccl_core_watch_judges_no_time_that_nobody_watched) {
  with_two_cores([](uint32_t home, uint32_t refuge) {
    Bench bench({refuge, home}, {home});
    const Worker worker(*bench.list);
    bench.pass(100, {{home, 0.6}}, kOwnShare, 10s);
    CHECK(worker.cores() == core_bit(home));
    // Nor cores that the system says nothing of.
    bench.meter.idle.erase(refuge);
    bench.pass(100, {{home, 0.6}});
    CHECK(worker.cores() == core_bit(home));
  });
}

TEST(xccl_core_watch_stays_where_a_core_is_refused) {
  with_two_cores([](uint32_t home, uint32_t) {
    Bench bench({CPU_SETSIZE - 1, home}, {home});
    const Worker worker(*bench.list);
    bench.pass(100, {{home, 0.6}});
    CHECK(worker.cores() == core_bit(home) && bench.announced() == core_bit(home));
  });
}

TEST(xccl_core_watch_moves_workers_of_one_rank_one_by_one) {
  with_two_cores([](uint32_t home, uint32_t refuge) {
    // The second worker's home is none of this machine's, so the first one's refuge is empty until somebody is there.
    Bench bench({refuge, home}, {home, CPU_SETSIZE - 1});
    const Worker first(*bench.list, 0);
    const Worker second(*bench.list, 2);
    CHECK(bench.announced() == (core_bit(home) | core_bit(CPU_SETSIZE - 1)));
    bench.pass(100, {{home, 0.6}}, 0.1);
    CHECK(first.cores() == core_bit(refuge) && second.cores() == core_bit(home));
    CHECK(bench.announced() == (core_bit(home) | core_bit(refuge) | core_bit(CPU_SETSIZE - 1)));
  });
}

TEST(xccl_pinned_workers_are_listed_until_they_end) {
  const uint32_t core = two_cores().front();
  const auto list = std::make_shared<PinnedWorkers>(std::vector<uint32_t>{core});
  const auto other = std::make_shared<PinnedWorkers>(std::vector<uint32_t>{core});
  const auto size_of = [](PinnedWorkers& workers) {
    size_t size = 0;
    workers.visit([&](const std::vector<PinnedWorker>& all) { size = all.size(); });
    return size;
  };
  {
    Worker first(*list);
    const Worker second(*list);
    CHECK(size_of(*list) == 2);
    first.end();
    CHECK(size_of(*list) == 1);
  }
  CHECK(list->is_empty());
  std::thread([&] {
    CHECK(list->pin(0).ok() && list->pin(0).ok() && size_of(*list) == 1);
    CHECK(other->pin(0).ok());
    CHECK(list->is_empty() && size_of(*other) == 1);
  }).join();
  CHECK(other->is_empty());
  // A thread may outlive its rank.
  auto gone = std::make_shared<PinnedWorkers>(std::vector<uint32_t>{core});
  Worker orphan(*gone);
  gone.reset();
  orphan.end();
}

TEST(xccl_broker_watches_over_the_cores_of_its_rank) {
  const Folder folder;
  CommunicatorConfig config = config_of(folder, 0);
  const uint32_t core = two_cores().front();
  config.pin_cores = config.refuge_cores = {core};
  std::unique_ptr<LocalRank> local;
  REQUIRE(LocalRank::create(config, &local).ok());
  PeerBook book(0, config.max_ranks);
  Broker broker(*local, book);
  REQUIRE(broker.start().ok());
  std::thread([&] {
    CHECK(local->workers().pin(0).ok());
    const auto& share = local->fixed().core_shares.of[core % kNumCoreShares];
    // Counted in this thread's own time: a loaded machine may stop the whole process for long.
    const CoreMeter meter;
    bool is_published = false;
    while (!is_published && *meter.used(CLOCK_THREAD_CPUTIME_ID) < 5s) is_published = share.load() > 0;
    CHECK(is_published);
  }).join();
  broker.stop();
}

}  // namespace
