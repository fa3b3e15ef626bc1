// ReadHelper: one large read of a peer's memory by two threads, the receiver's and a helping one, which runs on the sender's core while
// the sender waits: of an offer, or of a region in the peer's segment. Owned by the receiver's half. The sender itself wakes the
// helper, by a bell in this rank's segment and on the core that it then gives away: between two cores a wake costs as much as a
// megabyte. Who comes late takes what is left.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <thread>
#include <variant>

#include "xccl/copy/copy_bytes.h"
#include "xccl/link/local_rank.h"
#include "xccl/p2p/part_claims.h"

namespace switchyard::xccl {

/// Smaller messages are read by the receiver alone.
inline constexpr uint64_t kHelpedBytesMin = 512 << 10;
/// What one of the two threads takes at a time.
inline constexpr uint64_t kHelpedPartBytes = 128 << 10;

/// A message in a segment that is mapped here.
struct MappedSource {
  const std::byte* at = nullptr;
  CopyPath path = CopyPath::kCached;
};

/// A message in another process's own memory.
struct RemoteSource {
  int32_t pid = 0;
  uint64_t address = 0;
};

using ReadSource = std::variant<MappedSource, RemoteSource>;

class ReadHelper {
 public:
  explicit ReadHelper(LocalRank& local) : local_(local), bell_(local.bell(bell_of(Bell::kPullHelp))) {}
  ~ReadHelper() { stop(); }
  ReadHelper(const ReadHelper&) = delete;

  /// Reads `into.size()` bytes of the link's peer. Returns when no thread reads any more; false when a part could not be read, or the
  /// link ended meanwhile. One thread at a time.
  bool read(const LinkRef& link, const ReadSource& source, std::span<std::byte> into);
  /// From now on the receiver reads alone. Idempotent.
  void stop();

 private:
  void start();
  void run();
  bool read_part(PartClaims::End end);

  LocalRank& local_;
  Doorbell& bell_;
  // The read under way: written by the receiver while no part is left, read by who has claimed one.
  ReadSource source_;
  std::span<std::byte> into_;
  PartClaims parts_;
  std::atomic<bool> has_failed_{false};
  std::atomic<CoreMask> cores_{0};  // where the helper is to run

  std::mutex mutex_;  // of the thread
  std::atomic<bool> is_stopping_{false};
  bool is_started_ = false;  // receiver's thread only
  std::thread thread_;
};

}  // namespace switchyard::xccl
