// LocalRank: this rank's own side of a communicator: its three segments, doorbells, progress word, and the table of links.
// Shared by broker, coll and communicator of one process; peers reach the same memory through their fabrics.
#pragma once

#include <array>
#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "xccl/layout/ctrl_layout.h"
#include "xccl/link/memory_reader.h"
#include "xccl/link/peer_table.h"
#include "xccl/link/progress.h"
#include "xccl/segment/segment.h"
#include "xccl/telemetry/recorder.h"
#include "xccl/types.h"
#include "xccl/wait/cores.h"
#include "xccl/wait/pinned_workers.h"
#include "xccl/wait/waiter.h"

namespace switchyard::xccl {

/// How far this rank is with a peer's messages.
struct RingBacklog {
  uint64_t num_taken = 0;
  uint32_t num_unread = 0;
};

class LocalRank {
 public:
  /// Checks the configuration (InvalidArgument) and makes the segments (Io). The rank is linked to itself by `self`.
  static Status create(CommunicatorConfig config, std::unique_ptr<LocalRank>* out);

  const CommunicatorConfig& config() const { return config_; }
  const CtrlLayout& layout() const { return layout_; }
  const Segment& ctrl() const { return ctrl_; }
  const Segment& app() const { return app_; }
  const Segment& zc() const { return zc_; }
  CtrlFixed& fixed() { return *reinterpret_cast<CtrlFixed*>(ctrl_.data()); }
  Doorbell& bell(uint32_t bell_idx) { return fixed().bells[bell_idx]; }
  /// What wait_on takes: the bell, this communicator's waiting policy, and what earlier waits on it have taught.
  Waiter& waiter(uint32_t bell_idx) { return waiters_[bell_idx]; }
  PeerTable& peers() { return peers_; }
  /// For the next handshake with a peer; none where messages are not to be pulled.
  ProofHello begin_proof(uint32_t rank) const {
    return config_.pull_mode == PullMode::kOff || !layout_.has_rings() ? ProofHello{} : proofs_.begin(rank);
  }
  /// What this rank has retracted of its messages to that one: a word for each slot of its ring, [num_slots].
  OfferWords& offer_words(uint32_t rank) const { return *OfferWords::of(ctrl_.data(), layout_, rank); }

  Recorder& recorder() { return recorder_; }

  void progress();
  ProgressWord progress_word() { return {fixed().progress.word.load(std::memory_order_acquire)}; }
  void set_busy(bool busy);
  void allow(std::chrono::milliseconds span);

  /// The threads that compute for this rank.
  PinnedWorkers& workers() const { return *workers_; }
  CoreMask cores() { return fixed().progress.cores.load(std::memory_order_relaxed); }
  /// Do the ranks here share cores? Set by the broker; the waiters follow it.
  bool is_crowded() const { return is_crowded_.load(std::memory_order_relaxed); }
  void set_crowded(bool is_crowded) { is_crowded_.store(is_crowded, std::memory_order_relaxed); }

  bool is_closing() const { return is_closing_.load(std::memory_order_seq_cst); }
  /// From now on every wait ends with Closed.
  void begin_closing();
  /// Wakes all sleepers of this rank: something that is no arrival has changed.
  void wake_all();

  /// What the fields of a peer's ring here say now; for the broker.
  RingBacklog ring_backlog(uint32_t rank);

  /// Zeroes the sequence numbers that a rank wrote here: between its old epoch's last write and its new epoch's first.
  void reset_pair(uint32_t rank);

  /// Why a rank cannot be talked to; and what to do when its words in this rank's segment are impossible. Set once by the
  /// communicator.
  std::function<Status(uint32_t rank)> explain_unlinked;
  std::function<void(uint32_t rank, uint64_t serial, std::string reason)> report_corrupt;

 private:
  explicit LocalRank(CommunicatorConfig config);
  Status make_segments();
  void init_ctrl();
  Status link_to_self();
  void reset_ring(uint32_t rank);
  void reset_groups(uint32_t rank);

  CommunicatorConfig config_;
  CtrlLayout layout_;
  Segment ctrl_;
  Segment app_;
  Segment zc_;
  PeerTable peers_;
  MemoryProofs proofs_;
  std::unique_ptr<Fabric> self_fabric_;
  Recorder recorder_;
  std::shared_ptr<PinnedWorkers> workers_;
  std::atomic<bool> is_closing_{false};
  std::atomic<bool> is_crowded_{false};
  std::array<Waiter, kNumBells> waiters_;
};

}  // namespace switchyard::xccl
