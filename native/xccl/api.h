// XCCL's public surface: communicators over shared-memory segments, one-sided get, and the A2E/E2A exchange (docs/xccl.md).
// Called by the executor's loops and by addon/. Payload is opaque bytes: nothing here knows a model, and every call that
// can wait has a deadline and ends with a typed Status (PeerDead, Timeout, Mismatch, Stale, Corrupt, Closed).
//
// Threads: Communicator is thread-safe. AttentionEndpoint and ExpertEndpoint each belong to one thread at a time.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace switchyard::xccl {

// ---- Limits and small types ----

inline constexpr uint32_t kNumRanksMax = 64;
/// Messages in flight from one attention rank to one expert rank at most: event.micro_batch is 0 or 1.
inline constexpr uint32_t kNumMicroBatches = 2;
inline constexpr uint32_t kNumTracesMax = 4;
inline constexpr uint32_t kNonceBytes = 16;

/// Monotonic clock of this process; deadlines never travel between processes.
using Deadline = std::chrono::steady_clock::time_point;

inline Deadline deadline_in(std::chrono::nanoseconds span) { return std::chrono::steady_clock::now() + span; }

/// Sizes of the A2E/E2A slots. All members of a communicator that exchange at all must have the same shape (else Mismatch).
struct ExchangeShape {
  uint32_t max_tokens = 0;         // rows of one A2E message at most
  uint32_t row_bytes = 0;          // bytes of one row at most, both ways
  uint32_t top_k = 0;              // experts a token may visit on one rank at most
  uint32_t max_local_experts = 0;  // experts (replica slots) on one rank at most

  /// (token, expert) pairs of one message at most.
  uint64_t max_pairs() const { return static_cast<uint64_t>(max_tokens) * top_k; }
  bool operator==(const ExchangeShape&) const = default;
};

/// How a waiter passes its time. kAuto: a short yield phase, then futex sleeps of at most 100 ms (ranks outnumber cores here).
enum class WaitPolicy : uint8_t { kAuto, kSpin, kYield, kFutex };

enum class PeerState : uint8_t {
  kExpected,  // known, not linked yet
  kLinked,    // segments swapped; may be sent to
  kDead,      // its process ended, stands still, or left; stays so until a higher epoch is expected
  kRefused,   // the handshake failed for good, or did not come about in time
};

/// A peer as this rank sees it. `code` and `reason` say why for kDead and kRefused (kOk and "" otherwise).
struct PeerInfo {
  uint32_t rank = 0;
  uint64_t epoch = 0;
  PeerState state = PeerState::kExpected;
  Code code = Code::kOk;
  std::string reason;
};

/// For spans: wall-clock start (ns since 1970) and duration by the monotonic clock.
struct OpTiming {
  uint64_t start_unix_ns = 0;
  uint64_t duration_ns = 0;
};

// ---- Communicator ----

struct CommunicatorConfig {
  std::string name;
  uint32_t rank = 0;
  uint64_t epoch = 0;                               // of this rank; a restarted rank has a higher one
  std::string socket_path;                          // under 108 bytes; its folder has mode 0700 (made if missing)
  std::array<uint8_t, kNonceBytes> nonce{};         // shared by all members
  std::string compatibility;                        // numeric class; both non-empty and unequal => Mismatch; under 192 bytes
  uint64_t app_bytes = 0;                           // peers can only read it
  uint64_t zc_bytes = 0;                            // peers can write it
  uint32_t max_ranks = 8;                           // ranks are 0..max_ranks-1; equal in all members
  ExchangeShape exchange;                           // all zero: no A2E/E2A
  std::chrono::milliseconds liveness_timeout{500};  // a busy peer that stands still this long is dead
  WaitPolicy wait_policy = WaitPolicy::kAuto;
  /// Called from the broker thread when a peer becomes kLinked, kDead or kRefused; must not block, and must not call close().
  std::function<void(const PeerInfo&)> on_peer_change;
};

struct PeerSpec {
  uint32_t rank = 0;
  uint64_t epoch = 0;
  std::string socket_path;
  /// Not linked after this long: kRefused with code kTimeout.
  std::chrono::milliseconds link_timeout{30'000};
};

class AttentionEndpoint;
class ExpertEndpoint;

/// One rank's membership in a communicator: its three segments, its broker thread, its links to the peers.
class Communicator {
 public:
  /// Makes the segments, binds the socket and starts the broker. InvalidArgument for impossible options, Io for the system's refusals.
  static Status create(CommunicatorConfig config, std::shared_ptr<Communicator>* out);

  virtual ~Communicator() = default;

  /// Ends all links, wakes all waiters with Closed, removes the socket and joins the threads. Idempotent. The memory of app()
  /// and zc() stays mapped until the object goes.
  virtual void close() = 0;

  virtual const CommunicatorConfig& config() const = 0;
  uint32_t rank() const { return config().rank; }
  uint64_t epoch() const { return config().epoch; }

  /// Makes a peer known on this side; of a pair the one with the larger (epoch, rank) dials. A higher epoch replaces a lower
  /// one, a lower one is Stale, the same one again changes nothing. A rank is linked to itself from the start.
  virtual Status expect_peer(const PeerSpec& peer) = 0;
  /// Ends the link, if any, and forgets the peer. No callback follows.
  virtual Status forget_peer(uint32_t rank) = 0;
  /// OK once linked; PeerDead, Mismatch, Stale, Timeout or Closed otherwise; InvalidArgument for a rank that is not expected.
  virtual Status wait_linked(uint32_t rank, uint64_t epoch, Deadline deadline) = 0;
  /// All known peers, without this rank itself.
  virtual std::vector<PeerInfo> peers() const = 0;
  /// Epoch of the live link to a rank (its own for itself), 0 when there is none.
  virtual uint64_t linked_epoch(uint32_t rank) const = 0;

  /// This rank's app area [app_bytes], zeroed at the start: writable here, readable by peers through get(). Page-aligned.
  virtual std::span<std::byte> app() = 0;
  /// This rank's zero-copy area [zc_bytes]: writable by peers.
  virtual std::span<std::byte> zc() = 0;

  /// Copies app[offset, offset + dst.size()) of a peer into dst. Stale when `epoch` is not the live one, InvalidArgument out of
  /// bounds, PeerDead (also when the peer died during the copy: dst is then to be thrown away), Timeout, Closed.
  /// Loads are not reordered over two calls, so generations read by a later get() prove an earlier one (D1).
  virtual Status get(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst, Deadline deadline,
                     OpTiming* timing = nullptr) = 0;

  /// Liveness. Peers declare this rank dead when it is busy, or owes an E2A, and none of these was called for liveness_timeout
  /// (+ allowance). Waits inside this library call progress() themselves at every wake.
  virtual void progress() = 0;
  /// A busy rank must progress. Ranks start idle.
  virtual void set_busy(bool busy) = 0;
  /// Grants itself this long until the next progress() (start, a long prefill), at most 1 hour.
  virtual void allow(std::chrono::milliseconds span) = 0;

  /// The two halves of the exchange; null when config().exchange is all zero. They live as long as this object.
  virtual AttentionEndpoint* attention() = 0;
  virtual ExpertEndpoint* expert() = 0;
};

// ---- A2E / E2A ----

/// Names one exchange of one attention rank (communicator, rank and epoch are those of the link).
struct EventId {
  uint64_t step = 0;
  uint16_t layer = 0;
  uint8_t micro_batch = 0;
  bool operator==(const EventId&) const = default;
};

/// A sampled request with rows in the message; the expert side makes spans under it.
struct TraceRef {
  std::array<uint8_t, 16> trace_id{};
  std::array<uint8_t, 8> span_id{};
  bool operator==(const TraceRef&) const = default;
};

/// One attention rank's rows for one expert rank. A token's row travels once, whatever number of that rank's experts it visits.
struct A2eMessage {
  EventId event;
  uint64_t placement_version = 0;
  uint64_t active_mask = 0;                 // bit r: rank r takes part in this event
  std::span<const uint32_t> expert_counts;  // [num local experts of the destination]: pairs of each
  std::span<const uint32_t> pair_rows;      // [sum of expert_counts]: row of the message, grouped by local expert, ascending
  const std::byte* rows = nullptr;          // [any][row_bytes]
  uint32_t row_bytes = 0;                   // at most shape.row_bytes
  std::span<const uint32_t> row_index;      // [num_rows]: row i of the message is rows + row_index[i] * row_bytes
  std::span<const TraceRef> traces;         // at most kNumTracesMax
};

struct WaitReport {
  OpTiming timing;
  int32_t failed_rank = -1;  // the rank that a failed wait blames, or -1
  uint32_t num_sleeps = 0;   // futex sleeps
};

/// The expert rank's answer, in this rank's memory: valid until the next send() to that rank with that micro-batch.
struct E2aView {
  const std::byte* rows = nullptr;  // [num_pairs][row_bytes] in the order of pair_rows
  uint32_t num_pairs = 0;
  uint32_t row_bytes = 0;  // that of the A2E message
};

/// Attention half. An event is sent to some ranks, then awaited from the same ranks. Up to two events (micro-batches 0 and 1)
/// may be in flight. Sending a new event to a rank abandons an unanswered older one of that micro-batch: send() then waits until
/// the late E2A has come and drops it, so a failed or skipped wait needs no clean-up and a rolled-back step is run again under
/// a higher step number.
class AttentionEndpoint {
 public:
  virtual ~AttentionEndpoint() = default;

  /// Writes the message into the destination's slot and rings it. Waits only for an abandoned older event's E2A.
  virtual Status send(uint32_t dest, const A2eMessage& message, Deadline deadline, OpTiming* timing = nullptr) = 0;

  /// Sleeps until all `dests` have answered `event`; woken by the last of them or by a death. Fails with the first fault found:
  /// PeerDead, Timeout, Closed, Mismatch (answer to another event), Corrupt, or the code that the expert's fail() gave.
  virtual Status wait(const EventId& event, std::span<const uint32_t> dests, Deadline deadline, WaitReport* report = nullptr) = 0;

  /// The answer of `dest` to the last successfully awaited event of this micro-batch; empty when there is none.
  virtual E2aView view(uint32_t dest, uint8_t micro_batch) const = 0;
};

/// A message that has arrived and passed all checks: counts sum to num_pairs, every pair_rows value is below num_rows.
/// Header, counts and pairs are private copies; rows lie in the slot and are opaque. Valid until finish(), reply() or fail().
struct A2eView {
  uint32_t rank = 0;
  uint64_t rank_epoch = 0;
  EventId event;
  uint64_t placement_version = 0;
  uint64_t active_mask = 0;
  uint32_t num_rows = 0;
  uint32_t row_bytes = 0;
  std::span<const uint32_t> expert_counts;  // [num_local_experts]
  std::span<const uint32_t> pair_rows;      // [num_pairs], grouped by local expert, ascending
  const std::byte* rows = nullptr;          // [num_rows][row_bytes]
  std::span<const TraceRef> traces;
};

/// Expert half. A message that fails its checks is answered with Corrupt and never delivered.
class ExpertEndpoint {
 public:
  virtual ~ExpertEndpoint() = default;

  /// Waits for the first arrival and appends all that have arrived. Timeout when none came, Closed. Dead ranks are no error.
  /// Each appended view must be ended by reply(), finish() or fail(), in any order.
  virtual Status wait_any(Deadline deadline, std::vector<A2eView>* out) = 0;

  /// Writes all rows [num_pairs][row_bytes], signals, ends the view.
  virtual Status reply(const A2eView& view, const std::byte* rows) = 0;
  /// Writes the row of one pair into the sender's slot; finish() must follow. An error (PeerDead) is final for the view, and
  /// finish() is still to be called.
  virtual Status reply_row(const A2eView& view, uint32_t pair_idx, const std::byte* row) = 0;
  /// Signals that all rows are written; ends the view, whatever it returns.
  virtual Status finish(const A2eView& view) = 0;
  /// Answers with an error instead (an unknown placement version: kMismatch); ends the view. `code` must not be kOk.
  virtual Status fail(const A2eView& view, Code code) = 0;

  /// Messages answered with Corrupt so far.
  virtual uint64_t num_corrupt() const = 0;
};

}  // namespace switchyard::xccl
