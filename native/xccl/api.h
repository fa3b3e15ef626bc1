// XCCL's public surface: communicators over shared-memory segments, one-sided get, and the A2E/E2A exchange (docs/xccl.md).
// Called by the executor's loops and by addon/. Payload is opaque bytes: nothing here knows a model, and every call that
// can wait has a deadline and ends with a typed Status (PeerDead, Timeout, Mismatch, Stale, Corrupt, Closed).
//
// Threads: Communicator is thread-safe. AttentionEndpoint and ExpertEndpoint each belong to one thread at a time.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "xccl/probe.h"
#include "xccl/telemetry/report.h"
#include "xccl/types.h"

namespace switchyard::xccl {

class AttentionEndpoint;
class ExpertEndpoint;
class Group;
class Messenger;
struct GroupSpec;
class Messenger;

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

  /// Tells a saturated peer from a dead link, at most until the deadline (50 ms and a round trip are enough for a peer that answers).
  /// OK with a report, whatever it says; InvalidArgument for a rank that is not expected, Closed. From any thread but
  /// on_peer_change's.
  virtual Status probe(uint32_t rank, Deadline deadline, ProbeReport* report) = 0;

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

  /// Binds the calling thread, a worker of this rank, to config().pin_cores[worker_idx modulo their number]; nothing without any.
  /// Until it ends, or another communicator binds it, it may be moved to config().refuge_cores and back. It loses its restartable
  /// sequences (wait/rseq.h). InvalidArgument when this process may not run there.
  virtual Status pin_worker(uint32_t worker_idx) const = 0;

  /// Opens a group (group.h); its first call waits until all members have opened it. Every member must be linked. Stale when
  /// this id was opened with this generation or a higher one, InvalidArgument for an impossible spec, Unsupported where a
  /// member has no groups, or why a member is not linked. The group keeps this object alive.
  virtual Status open_group(const GroupSpec& spec, std::shared_ptr<Group>* out) = 0;
  /// Counting of calls by primitive and peer, and records of the last ones; off unless config().telemetry. The report keeps what was
  /// counted while it was on.
  virtual void switch_telemetry(bool on) = 0;
  virtual TelemetryReport telemetry() const = 0;
  /// How many calls have been recorded: read before and after some work, it says which calls that work made.
  virtual uint64_t num_calls() const = 0;
  /// Records of the calls of a range, as far as they are still kept.
  virtual CallRecords calls(CallRange range) const = 0;
  /// How often workers were moved to other cores and home (wait/core_watch.h); needs no telemetry.
  virtual uint64_t num_core_moves() const = 0;

  /// The two halves of the exchange; null when config().exchange is all zero. They live as long as this object.
  virtual AttentionEndpoint* attention() = 0;
  virtual ExpertEndpoint* expert() = 0;
  /// Point to point (messenger.h); null when config().ring is all zero. It lives as long as this object.
  virtual Messenger* messenger() = 0;
};

/// Attention half. An event is sent to some ranks, then awaited from the same ranks. Up to two events (micro-batches 0 and 1)
/// may be in flight. Sending a new event to a rank abandons an unanswered older one of that micro-batch: send() then waits until
/// the late E2A has come and drops it, so a failed or skipped wait needs no clean-up and a rolled-back step is run again under
/// a higher step number.
class AttentionEndpoint {
 public:
  virtual ~AttentionEndpoint() = default;

  /// Writes the message into the destination's slot and rings it. Waits only for an abandoned older event's E2A.
  /// For plans without trampoline and barrier; those need send_all().
  virtual Status send(uint32_t dest, const A2eMessage& message, Deadline deadline, OpTiming* timing = nullptr) = 0;

  /// Writes all parts of an event by the exchange's plan: a message to each expert rank, or one bundle to the forwarder; with a barrier
  /// also empty headers to the other active expert ranks. Nothing is sent when an argument is wrong. After another error some
  /// parts may have been sent: go on as after a failed wait. `report` blames a rank.
  virtual Status send_all(const A2eBatch& batch, Deadline deadline, WaitReport* report = nullptr) = 0;

  /// Sleeps until all `dests` have answered `event`; woken by the last of them or by a death. Fails with the first fault found:
  /// PeerDead, Timeout, Closed, Mismatch (answer to another event), Corrupt, or the code that the expert's fail() gave.
  virtual Status wait(const EventId& event, std::span<const uint32_t> dests, Deadline deadline,
                      WaitReport* report = nullptr) = 0;

  /// wait() for everything that send_all() sent for `event`, the last of its micro-batch.
  virtual Status wait_all(const EventId& event, Deadline deadline, WaitReport* report = nullptr) = 0;
  /// True when wait_all() would return at once. Neither waits nor takes anything.
  virtual bool is_ready(const EventId& event) const = 0;

  /// The answer of `dest` to the last successfully awaited event of this micro-batch; empty when there is none.
  virtual E2aView view(uint32_t dest, uint8_t micro_batch) const = 0;

  /// Any thread.
  virtual ExchangeCounters counters() const = 0;
};

/// Expert half. A message that fails its checks is answered with Corrupt or Mismatch and never delivered, nor is one of another
/// placement version. In trampoline mode it also forwards for its attention rank, inside wait_any() and forward().
class ExpertEndpoint {
 public:
  virtual ~ExpertEndpoint() = default;

  /// Waits for the first arrival and appends all that have arrived. Timeout when none came, Closed. Dead ranks are no error.
  /// Each appended view must be ended by reply(), finish() or fail(), in any order.
  virtual Status wait_any(Deadline deadline, std::vector<A2eView>* out) = 0;

  /// Passes on what waits for other expert ranks and gathers their answers, without delivering anything: for a caller who computes
  /// for long between two waits.
  virtual void forward() = 0;

  /// Writes all rows [num_pairs][row_bytes], signals, ends the view.
  virtual Status reply(const A2eView& view, const std::byte* rows) = 0;
  /// Writes the row of one pair into the sender's slot; finish() must follow. An error (PeerDead) is final for the view, and
  /// finish() is still to be called.
  virtual Status reply_row(const A2eView& view, uint32_t pair_idx, const std::byte* row) = 0;
  /// Signals that all rows are written; ends the view, whatever it returns.
  virtual Status finish(const A2eView& view) = 0;
  /// Answers with an error instead; ends the view. `code` must not be kOk.
  virtual Status fail(const A2eView& view, Code code) = 0;

  /// The placement version that is served, and during a change the next one too (else the same again). Messages of others are answered
  /// with Mismatch. 0 (the start): any. Any thread.
  virtual void set_placement(uint64_t version, uint64_t next_version) = 0;

  /// Messages answered with Corrupt so far. Any thread.
  virtual uint64_t num_corrupt() const = 0;
  /// Forwarded messages included. Any thread.
  virtual ExchangeCounters counters() const = 0;
};

}  // namespace switchyard::xccl
