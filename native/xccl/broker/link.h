// Link: one living connection to a peer, from the swap of segments to the peer's end of file. Owned by the broker's thread.
//
//   kLive      published in the PeerTable; its liveness is watched
//   kDraining  retracted; waits for the last use of the peer's memory and for the watcher
//   kQuiet     unmapped and our half of the connection closed (we write no more); waits for the peer's end of file
//   kOver      end of file: the peer writes no more, the pair's slots may be reset and a new epoch linked
#pragma once

#include <memory>
#include <string>
#include <utility>

#include "xccl/broker/death_watcher.h"
#include "xccl/broker/handshake.h"
#include "xccl/broker/probe_desk.h"
#include "xccl/link/progress.h"

namespace switchyard::xccl {

/// Why a link is over: for this rank's book, and what the peer is told. Corrupt stands on the side whose memory (or word) is
/// spoilt, Timeout on the side that was judged to stand still and yet lives: that rank must begin a new epoch, because the pair
/// never links again in this one.
struct LinkEnd {
  Code code = Code::kOk;  // kOk: it is not over
  Code told_code = Code::kOk;
  std::string reason;

  bool is_over() const { return code != Code::kOk; }
  static LinkEnd dead(std::string reason) { return {Code::kPeerDead, Code::kPeerDead, std::move(reason)}; }
  static LinkEnd peer_hung(std::string reason) { return {Code::kPeerDead, Code::kTimeout, std::move(reason)}; }
  static LinkEnd own_hung(std::string reason) { return {Code::kTimeout, Code::kPeerDead, std::move(reason)}; }
  static LinkEnd closed(std::string reason) { return {Code::kClosed, Code::kClosed, std::move(reason)}; }
  static LinkEnd own_corrupt(std::string reason) { return {Code::kCorrupt, Code::kPeerDead, std::move(reason)}; }
  static LinkEnd peer_corrupt(std::string reason) { return {Code::kPeerDead, Code::kCorrupt, std::move(reason)}; }
};

enum class LinkPhase : uint8_t { kLive, kDraining, kQuiet, kOver };

class Link {
 public:
  /// Maps, publishes and begins to watch. `on_verdict` is called from the watcher's thread.
  Link(LocalRank& local, Handshake& handshake, std::function<void()> on_verdict, Deadline now);
  ~Link();

  uint32_t rank() const { return rank_; }
  uint64_t epoch() const { return epoch_; }
  LinkPhase phase() const { return phase_; }
  bool is_live() const { return phase_ == LinkPhase::kLive; }
  bool is_end_of_file() const { return is_end_of_file_; }
  const FileDescriptor& connection() const { return connection_; }
  uint64_t serial() const { return serial_; }
  /// Where the peer says that it runs.
  CoreMask cores() const { return memory_.fixed().progress.cores.load(std::memory_order_relaxed); }

  /// What of cores it says that it uses: anything.
  const CoreShares& core_shares() const { return memory_.fixed().core_shares; }

  /// Reads what the peer said; answers its pings, takes its pongs to the desk.
  LinkEnd on_readable(ProbeDesk& desk);
  Status send_ping(uint64_t ping_id);
  /// The watcher's and the progress word's verdict. `has_overslept`: the broker itself did not run.
  LinkEnd check_liveness(Deadline now, bool has_overslept);
  /// Was the peer, at the last check, busy or awaited?
  bool must_progress() const { return must_progress_; }
  /// Retracts the link and tells the peer; it stays mapped until advance() has seen the last use.
  void end(const LinkEnd& why);
  /// Moves a retracted link on.
  void advance();

 private:
  LinkEnd on_frame(const Frame& frame, ProbeDesk& desk);
  void answer_ping(uint64_t ping_id);
  static LinkEnd farewell_of(const Frame& frame);
  void unmap();

  LocalRank& local_;
  const uint32_t rank_;
  const uint64_t epoch_;
  FileDescriptor connection_;
  PeerMemory memory_;
  std::unique_ptr<Fabric> fabric_;
  std::unique_ptr<DeathWatcher> watcher_;
  LivenessMonitor monitor_;
  LinkPhase phase_ = LinkPhase::kLive;
  bool is_end_of_file_ = false;
  bool must_progress_ = true;
  uint64_t serial_ = 0;
};

}  // namespace switchyard::xccl
