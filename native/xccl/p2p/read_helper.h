// ReadHelper: one large read of a peer's memory by two threads, the receiver's and a helping one, which runs on the sender's core while
// the sender waits. Owned by the receiver's half. The sender itself wakes the helper, by a bell in this rank's segment and on the core
// that it then gives away: between two cores a wake costs as much as a megabyte. Who comes late takes what is left.
#pragma once

#include <atomic>
#include <mutex>
#include <span>
#include <thread>

#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

/// Smaller messages are read by the receiver alone.
inline constexpr uint64_t kHelpedBytesMin = 512 << 10;
/// What one of the two threads takes at a time.
inline constexpr uint64_t kHelpedPartBytes = 128 << 10;

class ReadHelper {
 public:
  explicit ReadHelper(LocalRank& local) : local_(local), bell_(local.bell(bell_of(Bell::kPullHelp))) {}
  ~ReadHelper() { stop(); }
  ReadHelper(const ReadHelper&) = delete;

  /// Reads `into.size()` bytes at `address` of process `pid`, whose rank runs on `cores`. Returns when no thread reads any more; false
  /// when a part could not be read. One thread at a time.
  bool read(int32_t pid, uint64_t address, std::span<std::byte> into, CoreMask cores);
  /// From now on the receiver reads alone. Idempotent.
  void stop();

 private:
  void start();
  void run();
  bool take_part();
  bool has_part() const { return num_left_.load(std::memory_order_seq_cst) != 0; }

  LocalRank& local_;
  Doorbell& bell_;
  // The read under way: written by the receiver while no part is left, read by who has claimed one.
  int32_t pid_ = 0;
  uint64_t address_ = 0;
  std::span<std::byte> into_;
  alignas(64) std::atomic<uint64_t> num_left_{0};  // parts that nobody has claimed: the last one goes first
  std::atomic<uint64_t> num_done_{0};
  std::atomic<bool> has_failed_{false};
  std::atomic<CoreMask> cores_{0};  // where the helper is to run

  std::mutex mutex_;  // of the thread
  std::atomic<bool> is_stopping_{false};
  bool is_started_ = false;  // receiver's thread only
  std::thread thread_;
};

}  // namespace switchyard::xccl
