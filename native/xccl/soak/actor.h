// Actor: one rank of a soak run, in a process of its own: joins, follows the board's epochs, runs every kind of traffic on a
// thread and judges each operation's outcome. An error is right only when it names a peer that was killed.
#pragma once

#include <string>
#include <thread>
#include <vector>

#include "xccl/soak/board.h"
#include "xccl/test_support.h"

namespace switchyard::xccl::soak {

using testing::Folder;
using testing::Member;
using testing::Random;

/// No operation waits longer. A Timeout means that somebody hangs, and is a failure.
inline constexpr std::chrono::seconds kPatience{5};
/// Survivors know of a death after this long.
inline constexpr int64_t kRefusalMaxNs = 1'000'000'000;

struct Cast {
  uint32_t num_ranks;
  uint64_t seed;
};

class Actor {
 public:
  Actor(Board& board, const Folder& folder, Cast cast, uint32_t rank, uint64_t epoch);

  /// The whole life of the process: returns when the run is ending.
  void run();

  Communicator& member() const { return *member_; }
  uint32_t rank() const { return rank_; }
  uint32_t num_ranks() const { return cast_.num_ranks; }
  Board& board() const { return board_; }
  uint64_t epoch() const { return epoch_; }
  /// Of a kind of traffic in this life of this rank.
  uint64_t seed_of(uint32_t kind) const { return ((cast_.seed * 31 + epoch_) * 31 + rank_) * 31 + kind; }
  /// Of the link that lives to a rank, 0 without one; its own for this rank itself.
  uint64_t epoch_of(uint32_t rank) const { return rank == rank_ ? epoch_ : member_->linked_epoch(rank); }

  // ---- Outcomes; `start_ns` is when the operation was called ----
  void passed(uint32_t kind, uint32_t peer, uint64_t epoch);
  void refused(uint32_t kind, const Status& status, uint32_t peer, uint64_t epoch, int64_t start_ns);
  /// Of an operation with all ranks, of which some one must have been killed; epochs [num_ranks].
  void refused_by_group(uint32_t kind, const Status& status, const std::vector<uint64_t>& epochs, int64_t start_ns);
  void fail(const std::string& text);

 private:
  CommunicatorConfig config(const Folder& folder);
  void on_peer_change(const PeerInfo& info);
  void follow_epochs();
  void be_quiet();
  void run_traffic(uint32_t kind);
  bool may_start() const { return board_.go_order.load() == board_.quiet_order.load(); }
  RankLine& line() { return board_.ranks[rank_]; }

  Board& board_;
  const Folder& folder_;
  const Cast cast_;
  const uint32_t rank_;
  const uint64_t epoch_;
  std::atomic<uint32_t> num_resting_{0};  // traffic threads that have nothing under way
  Member member_;
};

}  // namespace switchyard::xccl::soak
