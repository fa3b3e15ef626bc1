// XCCL's point-to-point surface: messages between two ranks, in order, blocking or asynchronous, copied through the ring or pulled
// straight from the sender's memory or a registered region, and one-sided put and get (docs/xccl.md, "Point to point"). Reached by
// Communicator::messenger(). Payload is opaque bytes.
//
// Threads: one at a time for the sending calls (send, try_send, send_zero_copy, put, put_with_signal) and one for the receiving calls
// (recv, wait_signal). The asynchronous calls, poll, wait and cancel belong to both halves. get is thread-safe.
// A blocking call drives its own half only: with asynchronous sends outstanding, receive by recv_async and wait.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// Asynchronous operations of one rank outstanding or not collected yet, at most.
inline constexpr uint32_t kNumOperationsMax = 64;

/// When a send is over.
enum class SendMode : uint8_t {
  kBuffered,      // the payload may be used again: the whole message is in the ring or, a large one, taken
  kAcknowledged,  // the receiver has taken the whole message
};

enum class RegionArea : uint8_t { kApp, kZc };

/// Names bytes in a rank's app or zc area. Plain data: it may travel to peers, and a part of it is named by a higher offset and a
/// smaller num_bytes. Checked at every use: rank, epoch (Stale) and bounds (InvalidArgument).
struct Region {
  uint64_t epoch = 0;
  uint64_t offset = 0;
  uint64_t num_bytes = 0;
  uint32_t rank = 0;
  RegionArea area = RegionArea::kApp;
};

/// An asynchronous operation; 0 names none.
struct OperationId {
  uint64_t value = 0;
  bool operator==(const OperationId&) const = default;
};

/// How an asynchronous operation ended.
struct Completion {
  OperationId id;
  uint64_t user_data = 0;
  uint32_t peer = 0;
  uint64_t num_bytes = 0;  // sent or received
  Status status;
};

class Messenger {
 public:
  virtual ~Messenger() = default;

  // ---- Messages ----
  // All calls fail with PeerDead, Closed, Corrupt, or Unsupported (the peer has no rings). A message goes on where it was in
  // order; one whose send or recv failed when it was partly through is given up on both sides.

  /// Puts the message into the ring to `dest`; waits while that is full. From 16 KiB on (CommunicatorConfig::pull_mode) it may stay
  /// where it is, and the receiver reads it there: then a send of either mode is over when the receiver has it, so two ranks must
  /// not both send first. Such a payload must be ordinary memory, mapped until the call returns. Timeout: the ring stayed full, or the message was not taken in time; it still may be if it lies in the ring.
  virtual Status send(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline,
                      SendMode mode = SendMode::kBuffered, OpTiming* timing = nullptr) = 0;
  /// The same without waiting, always through the ring: ResourceExhausted, and nothing is done, when the whole message does not fit
  /// at once.
  virtual Status try_send(uint32_t dest, uint32_t event, std::span<const std::byte> payload) = 0;
  /// Sends the region's bytes (of this rank's app or zc area) by name; the receiver copies them once, into its own memory, by
  /// recv. Over when that is done, and the region may be written again. Timeout: the receiver may still read it.
  virtual Status send_zero_copy(uint32_t dest, uint32_t event, const Region& region, Deadline deadline,
                                OpTiming* timing = nullptr) = 0;
  /// Takes the next message of `src`, in whichever form it comes. It stays where it is when it has another event id (Mismatch) or is
  /// larger than `into` (InvalidArgument). *num_bytes (may be null) is set on success.
  virtual Status recv(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes, Deadline deadline,
                      OpTiming* timing = nullptr) = 0;

  // ---- Asynchronous form ----
  // Memory given to an operation belongs to it until it is over. Operations to, or from, one rank are carried out in order, blocking
  // calls after those that are outstanding. Progress is made inside these calls only.

  /// ResourceExhausted when kNumOperationsMax are outstanding or not collected.
  virtual Status send_async(uint32_t dest, uint32_t event, std::span<const std::byte> payload, uint64_t user_data,
                            OperationId* id, SendMode mode = SendMode::kBuffered) = 0;
  virtual Status send_zero_copy_async(uint32_t dest, uint32_t event, const Region& region, uint64_t user_data,
                                      OperationId* id) = 0;
  virtual Status recv_async(uint32_t src, uint32_t event, std::span<std::byte> into, uint64_t user_data,
                            OperationId* id) = 0;
  /// Advances everything and collects what is over, in the order in which it ended; never waits. Returns the number written.
  virtual size_t poll(std::span<Completion> out) = 0;
  /// Waits until this operation is over and collects it: its own status is in *out. Timeout (it stays outstanding), or
  /// InvalidArgument when it is unknown or collected already.
  virtual Status wait(OperationId id, Deadline deadline, Completion* out) = 0;
  /// Ends an operation with Closed unless it is over; it is still to be collected. Its memory is free at once, but for a region that
  /// the receiver may be reading.
  virtual Status cancel(OperationId id) = 0;

  // ---- One-sided ----

  /// A region of this rank's own. InvalidArgument out of bounds.
  virtual Status register_region(RegionArea area, uint64_t offset, uint64_t num_bytes, Region* out) const = 0;
  /// Writes into the zc area of `dest`. Earlier puts to a rank are visible before a later signal to it.
  virtual Status put(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload) = 0;
  /// put, then stores `value` into the aligned 64-bit word at signal_offset of the same zc area, which only this rank writes, and
  /// wakes the target. Payload and signal may share a cache line: then they arrive together.
  virtual Status put_with_signal(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload,
                                 uint64_t signal_offset, uint64_t value) = 0;
  /// Waits until the word at signal_offset of this rank's zc area, which `src` writes, is at least `value`.
  virtual Status wait_signal(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline) = 0;
  /// Copies the region's first dst.size() bytes. As Communicator::get, for either area.
  virtual Status get(const Region& region, std::span<std::byte> dst, Deadline deadline) = 0;
};

}  // namespace switchyard::xccl
