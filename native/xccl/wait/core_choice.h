// CoreChoice: where a bound worker runs. It leaves a core that work of others holds for another core of the list that the ranks share,
// and goes home when that is over. The rule alone: no clock, no system call; CoreWatch feeds it a window at a time and does the moving.
//
// Why leave at all, where two ranks then share a core that one had: whoever has used its share of a core that is never idle waits for the
// neighbour's whole time slice (3 ms), and all ranks of a step wait with it (docs/decisions/0028-busy-cores.md).
#pragma once

#include <cstdint>
#include <optional>
#include <span>

namespace switchyard::xccl {

/// Work that is no rank's took more than this of a core: it holds the core. From a third on the ranks of two cores are no slower on the
/// other one alone; a process that computes all the time takes 0.47 beside two ranks, more beside those that wait more.
inline constexpr double kHeldShare = 0.35;
/// It took less than this: the core is free, whatever ranks do there.
inline constexpr double kFreeShare = 0.1;
/// Windows in a row after which a worker leaves a held core, and after which it goes back to a free home. Few to leave, since each costs
/// the ranks several time slices; many to go back, so that work that comes and goes moves nobody more often than once a second.
inline constexpr uint32_t kNumHeldWindows = 2;
inline constexpr uint32_t kNumFreeWindows = 10;

/// One core in the last window.
struct CoreLoad {
  uint32_t core = 0;
  std::optional<double> foreign{};  // share of its time that no rank used; nothing when that is not known
  uint32_t num_ranks = 0;           // workers of all ranks that run there

  bool is_held() const { return foreign && *foreign > kHeldShare; }
  bool is_free() const { return foreign && *foreign < kFreeShare; }
};

class CoreChoice {
 public:
  /// `may_share`: it may go where other workers run.
  CoreChoice(uint32_t home, bool may_share) : home_(home), core_(home), may_share_(may_share) {}

  uint32_t home() const { return home_; }
  uint32_t core() const { return core_; }

  /// Takes a window's loads, one a core that the worker may run on, and returns the core to run on from now on: of the free ones that with
  /// the fewest ranks, the first in the list's order. A core that is not among `loads` is neither held nor free.
  uint32_t next(std::span<const CoreLoad> loads);
  /// The worker runs there now.
  void note_move(uint32_t core);

 private:
  const CoreLoad* find_refuge(std::span<const CoreLoad> loads) const;

  uint32_t home_;
  uint32_t core_;
  bool may_share_;
  uint32_t num_held_ = 0;  // windows in a row in which its core was held
  uint32_t num_free_ = 0;  // windows in a row in which it was away and its home free
};

}  // namespace switchyard::xccl
