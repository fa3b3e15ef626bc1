// CoreWatch: moves the workers of a rank away from cores that work of others holds, and home again (core_choice.h has the rule). Owned
// by the broker and called from its thread; tests give it a meter of their own. It decides where threads run and nothing else: whatever
// peers say here, the worst that follows is a bad place.
//
// A core's foreign share is the time that it did not idle, less what the ranks' workers used. Each rank publishes the shares that its own
// workers used of each core in its last window, since no process may read the clocks of another's threads. Those windows are not
// this rank's, so one window proves nothing.
#pragma once

#include <array>
#include <chrono>
#include <vector>

#include "xccl/layout/ctrl_layout.h"
#include "xccl/wait/core_meter.h"
#include "xccl/wait/cores.h"
#include "xccl/wait/pinned_workers.h"

namespace switchyard::xccl {

/// What ranks do on cores, by core modulo 64.
class CoreUses {
 public:
  struct Use {
    uint32_t num_ranks = 0;  // workers that run there
    double share = 0;        // of the core's time that they used
  };

  /// What a peer says of itself, whatever that is: of each core the whole time at most.
  void add_peer(CoreMask cores, const CoreShares& shares);
  void add_worker(uint32_t core, double share);
  const Use& of(uint32_t core) const { return uses_[core % kNumCoreShares]; }
  /// For peers to read.
  void publish(CoreShares& out) const;

 private:
  std::array<Use, kNumCoreShares> uses_{};
};

class CoreWatch {
 public:
  static constexpr std::chrono::milliseconds kWindow{100};

  /// `fixed` is where the rank announces its cores and shares. Without `refuge_cores` nothing is ever read or done.
  CoreWatch(PinnedWorkers& workers, CtrlFixed& fixed, std::vector<uint32_t> refuge_cores, const CoreMeter& meter);

  /// When the next look is wanted: while no worker works, at no time in particular.
  Deadline next_look() const { return is_measuring_ ? last_look_ + kWindow : Deadline::max(); }
  /// May a look be worth while? Also asked where none is wanted: somebody has to notice that the workers work again.
  bool may_look(Deadline now) const { return !cores_.empty() && now >= last_look_ + kWindow && !workers_.is_empty(); }
  /// Ends a window. `peers` is what the linked peers say.
  void look(const CoreUses& peers);

 private:
  /// Notes what each worker used since the last look; false when all have done next to nothing.
  bool measure(std::vector<PinnedWorker>& workers, std::chrono::nanoseconds window) const;
  /// From `idle_before` to last_idle_.
  std::vector<CoreLoad> loads_of(std::span<const IdleTime> idle_before, std::chrono::nanoseconds window,
                                 const CoreUses& own, const CoreUses& peers) const;
  /// True when one was moved.
  bool place(std::vector<PinnedWorker>& workers, std::vector<CoreLoad> loads) const;

  PinnedWorkers& workers_;
  CtrlFixed& fixed_;
  const std::vector<uint32_t> cores_;
  const CoreMeter& meter_;
  Deadline last_look_{};
  bool is_measuring_ = false;        // a window is running
  std::vector<IdleTime> last_idle_;  // [cores_]: at the last look
};

}  // namespace switchyard::xccl
