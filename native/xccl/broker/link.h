// Link: one living connection to a peer, from the swap of segments to the peer's end of file. Owned by the broker's thread.
//
//   kLive      published in the PeerTable; its liveness is watched
//   kDraining  retracted; waits for the last use of the peer's memory and for the watcher
//   kQuiet     unmapped and our half of the connection closed (we write no more); waits for the peer's end of file
//   kOver      end of file: the peer writes no more, the pair's slots may be reset and a new epoch linked
#pragma once

#include <memory>
#include <string>

#include "xccl/broker/death_watcher.h"
#include "xccl/broker/handshake.h"
#include "xccl/link/progress.h"

namespace switchyard::xccl {

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

  /// Reads what the peer said. OK while all is well; else why the link is over.
  Status on_readable();
  /// The watcher's and the progress word's verdict. `has_overslept`: the broker itself did not run.
  Status check_liveness(Deadline now, bool has_overslept);
  /// Retracts the link and tells the peer; it stays mapped until advance() has seen the last use.
  void end(Code code, const std::string& reason);
  /// Moves a retracted link on.
  void advance();

 private:
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
  uint64_t serial_ = 0;
};

}  // namespace switchyard::xccl
