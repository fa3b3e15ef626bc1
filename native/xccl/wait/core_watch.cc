#include "xccl/wait/core_watch.h"

#include <algorithm>
#include <utility>

namespace switchyard::xccl {
namespace {

using std::chrono::nanoseconds;

/// A worker that used less only waits: it needs no better place, and its rank looks at nothing but its clocks.
constexpr double kWorkingShare = 0.01;
/// A longer window has times in it when nobody looked (a suspended machine, ranks that idled).
constexpr nanoseconds kWindowMax = 5 * CoreWatch::kWindow;

double share_of(nanoseconds part, nanoseconds window) {
  return window.count() <= 0 ? 0 : std::clamp(static_cast<double>(part.count()) / window.count(), 0.0, 1.0);
}

}  // namespace

// ---- What ranks use ----

void CoreUses::add_peer(CoreMask cores, const CoreShares& shares) {
  for (uint32_t core = 0; core < kNumCoreShares; ++core) {
    uses_[core].num_ranks += static_cast<uint32_t>(cores >> core & 1);
    const uint16_t share = shares.of[core].load(std::memory_order_relaxed);
    uses_[core].share += static_cast<double>(std::min(share, kCoreShareMax)) / kCoreShareMax;
  }
}

void CoreUses::add_worker(uint32_t core, double share) {
  Use& use = uses_[core % kNumCoreShares];
  use.num_ranks += 1;
  use.share += share;
}

void CoreUses::publish(CoreShares& out) const {
  for (uint32_t core = 0; core < kNumCoreShares; ++core) {
    const double share = std::min(uses_[core].share, 1.0);
    out.of[core].store(static_cast<uint16_t>(share * kCoreShareMax), std::memory_order_relaxed);
  }
}

// ---- The watch ----

CoreWatch::CoreWatch(PinnedWorkers& workers, CtrlFixed& fixed, std::vector<uint32_t> refuge_cores,
                     const CoreMeter& meter)
    : workers_(workers), fixed_(fixed), cores_(std::move(refuge_cores)), meter_(meter) {}

void CoreWatch::look(const CoreUses& peers) {
  bool has_moved = false;
  workers_.visit([&](std::vector<PinnedWorker>& workers) {
    const Deadline now = meter_.now();
    const nanoseconds window = now - std::exchange(last_look_, now);
    const bool had_begun = std::exchange(is_measuring_, measure(workers, window));
    CoreUses own;
    for (const PinnedWorker& worker : workers) own.add_worker(worker.choice.core(), worker.share);
    own.publish(fixed_.core_shares);
    if (!is_measuring_) return;
    const std::vector<IdleTime> idle_before = std::exchange(last_idle_, meter_.idle_times(cores_));
    if (had_begun && window <= kWindowMax) has_moved = place(workers, loads_of(idle_before, window, own, peers));
  });
  if (has_moved) fixed_.progress.cores.store(workers_.cores(), std::memory_order_relaxed);
}

bool CoreWatch::measure(std::vector<PinnedWorker>& workers, nanoseconds window) const {
  bool is_working = false;
  for (PinnedWorker& worker : workers) {
    const std::optional<nanoseconds> before = std::exchange(worker.used, meter_.used(worker.clock));
    worker.share = before && worker.used ? share_of(*worker.used - *before, window) : 0;
    // Of a new one nothing is known yet: its first window begins now.
    is_working = is_working || !before || worker.share > kWorkingShare;
  }
  return is_working;
}

std::vector<CoreLoad> CoreWatch::loads_of(std::span<const IdleTime> idle_before, nanoseconds window,
                                          const CoreUses& own, const CoreUses& peers) const {
  std::vector<CoreLoad> loads;
  for (size_t i = 0; i < cores_.size(); ++i) {
    CoreLoad load{cores_[i], std::nullopt, own.of(cores_[i]).num_ranks + peers.of(cores_[i]).num_ranks};
    if (idle_before[i] && last_idle_[i]) {
      const double idle = share_of(*last_idle_[i] - *idle_before[i], window);
      load.foreign = 1 - idle - own.of(cores_[i]).share - peers.of(cores_[i]).share;
    }
    loads.push_back(load);
  }
  return loads;
}

bool CoreWatch::place(std::vector<PinnedWorker>& workers, std::vector<CoreLoad> loads) const {
  bool has_moved = false;
  for (PinnedWorker& worker : workers) {
    if (worker.share <= kWorkingShare) continue;
    const uint32_t core = worker.choice.next(loads);
    // Refused where the process has lost that core: the worker stays.
    if (core == worker.choice.core() || !pin_thread(worker.thread_id, core).ok()) continue;
    worker.choice.note_move(core);
    workers_.count_move();
    std::ranges::find(loads, core, &CoreLoad::core)->num_ranks += 1;
    has_moved = true;
  }
  return has_moved;
}

}  // namespace switchyard::xccl
