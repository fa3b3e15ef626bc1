// The values of XCCL's public surface: limits, configuration, peers, messages and views. Included by every file of xccl and,
// through api.h, by its callers. No behaviour.
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "base/status.h"

namespace switchyard::xccl {

// ---- Limits and small types ----

inline constexpr uint32_t kNumRanksMax = 64;
/// Messages in flight from one attention rank to one expert rank at most: event.micro_batch is 0 or 1.
inline constexpr uint32_t kNumMicroBatches = 2;
inline constexpr uint32_t kNumGroupsMax = 16;
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
  uint32_t max_parts = 0;          // trampoline: expert ranks at most; top_k is then over all ranks. 0: direct only

  /// (token, expert) pairs of one message at most.
  uint64_t max_pairs() const { return static_cast<uint64_t>(max_tokens) * top_k; }
  bool operator==(const ExchangeShape&) const = default;
};

/// One ring for each ordered pair of ranks, in the receiver's control segment (send and receive). Equal in all members that
/// have rings at all. All zero: none.
struct RingShape {
  uint32_t num_slots = 0;   // a power of two, 2 to 1024
  uint32_t slot_bytes = 0;  // a multiple of 64, at most 16 MiB: the chunk in which large payloads travel

  bool operator==(const RingShape&) const = default;
};

/// The managed areas of groups (collectives, dispatch and combine): each rank has for each group two halves of one partition a
/// rank, which peers pull from. Equal in all members that have groups at all. All zero: none.
struct GroupShape {
  uint32_t num_groups = 0;  // group ids are 0..num_groups-1; at most 16
  uint32_t reserved = 0;
  uint64_t partition_bytes = 0;  // a multiple of 64: the largest contribution for one rank in one round

  bool operator==(const GroupShape&) const = default;
};

/// Everything that the offsets in a control segment follow from, besides max_ranks.
struct Shapes {
  ExchangeShape exchange;
  RingShape ring;
  GroupShape group;
};

/// How rows travel: to each expert rank directly, or all in one message to the attention rank's forwarder, an expert rank that
/// passes on what is for others and gathers the answers (the paper's trampoline forward). Results are the same bits.
enum class ExchangeMode : uint8_t { kDirect, kTrampoline };

/// kDataflow: rows go where there are any, experts work on whatever has arrived. kBarrier: every attention rank sends to every
/// active expert rank, empty headers where it has no rows, and an expert rank begins an event when all active attention ranks
/// have sent for it; the caller then gives all of them the same rising step numbers, and no failed event a second try.
enum class ExchangePace : uint8_t { kDataflow, kBarrier };

/// Who exchanges with whom and how. The default (direct, dataflow) needs no more. Equal in all members.
struct ExchangePlan {
  ExchangeMode mode = ExchangeMode::kDirect;
  ExchangePace pace = ExchangePace::kDataflow;
  uint64_t attention_mask = 0;  // bit r: rank r is an attention rank
  uint64_t expert_mask = 0;     // a rank may be both
  /// kTrampoline: for each attention rank, ascending, an expert rank of its own; a rank that is both is its own forwarder.
  /// Empty: those, and for the others the expert ranks that are left, ascending.
  std::vector<uint32_t> forwarders;
  /// kBarrier: an event that an attention rank does not send for, though it lives, is given up so long after the first has sent.
  std::chrono::milliseconds barrier_timeout{5000};
};

/// How a waiter passes its time. kAuto: where each rank has a core, looks for 50 us and yields up to 200 us; where ranks share
/// cores, yields up to 300 us; then futex sleeps of at most 100 ms, 250 ms once it idles. It drops what did not pay lately (wait/waiter.h).
enum class WaitPolicy : uint8_t { kAuto, kSpin, kYield, kFutex };

/// How large payloads are copied out of a ring or a region. kAuto: through the caches, or around them from the size on from which
/// that was quicker when this process measured it (copy/copy_table.h).
enum class CopyMode : uint8_t { kAuto, kCached, kStream };

/// Whether messages are read by their receiver straight out of the sender's memory (process_vm_readv) instead of going through the
/// ring; a send of one is over when the receiver has it. kAuto: from 16 KiB on, where the last messages of the size on this link took
/// less that way (p2p/peer_ways.h). kAlways: whatever does not fit into a ring's field. kOff: neither sent nor taken so. Where the
/// system does not let one rank read the other, the ring is used.
enum class PullMode : uint8_t { kAuto, kAlways, kOff };

/// Whether large segments (from 16 MiB on) may lie in pages of the system's huge page pool. kAuto: if it has enough for the
/// whole segment, which are then taken at once.
enum class HugePages : uint8_t { kAuto, kOff };

enum class PeerState : uint8_t {
  kExpected,  // known, not linked yet
  kLinked,    // segments swapped; may be sent to
  kDead,      // its process ended, stands still, or left; stays so until a higher epoch is expected
  kRefused,   // the handshake failed for good, or did not come about in time
};

/// A peer as this rank sees it. `code` and `reason` say why for kDead and kRefused (kOk and "" otherwise). kDead with kCorrupt
/// means that this rank itself is spoilt (impossible values in its control segment, or the peer told it so): no link to it can
/// be trusted again in this epoch, so its owner should close it and begin a new one.
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
  uint64_t epoch = 0;                        // of this rank; a restarted rank has a higher one
  std::string socket_path;                   // under 108 bytes; its folder has mode 0700 (made if missing)
  std::array<uint8_t, kNonceBytes> nonce{};  // shared by all members
  std::string compatibility;                 // numeric class; both non-empty and unequal => Mismatch; under 192 bytes
  uint64_t app_bytes = 0;                    // peers can only read it
  uint64_t zc_bytes = 0;                     // peers can write it
  uint32_t max_ranks = 8;                    // ranks are 0..max_ranks-1; equal in all members
  ExchangeShape exchange;                    // all zero: no A2E/E2A
  ExchangePlan exchange_plan;
  RingShape ring;                                   // all zero: no send and receive
  GroupShape group;                                 // all zero: no groups
  std::chrono::milliseconds liveness_timeout{500};  // a busy peer that stands still this long is dead
  WaitPolicy wait_policy = WaitPolicy::kAuto;
  std::vector<uint32_t> pin_cores;  // where this rank's worker threads run (pin_worker()); empty: anywhere
  /// Where they may go while others' work holds their own core: the cores that all ranks share, their own among them; empty: nowhere.
  std::vector<uint32_t> refuge_cores;
  uint32_t num_local_ranks = 0;  // ranks on this machine, when known from the start; else those that are linked count
  HugePages huge_pages = HugePages::kAuto;
  CopyMode copy_mode = CopyMode::kAuto;
  PullMode pull_mode = PullMode::kAuto;
  uint32_t num_copy_threads = 1;  // that share one large copy, the caller included; 1 to 64
  bool telemetry = false;         // count calls from the start (Communicator::switch_telemetry)
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
  std::span<const uint32_t>
      pair_rows;                    // [sum of expert_counts]: row of the message, grouped by local expert, ascending
  const std::byte* rows = nullptr;  // [any][row_bytes]
  uint32_t row_bytes = 0;           // at most shape.row_bytes
  std::span<const uint32_t> row_index;  // [num_rows]: row i of the message is rows + row_index[i] * row_bytes
  std::span<const TraceRef> traces;     // at most kNumTracesMax
};

/// The rows of a batch that go to one expert rank; fields as in A2eMessage.
struct A2ePart {
  uint32_t dest = 0;
  std::span<const uint32_t> expert_counts;
  std::span<const uint32_t> pair_rows;
  std::span<const uint32_t> row_index;  // below the batch's num_rows
};

/// One attention rank's rows of one event for all expert ranks.
struct A2eBatch {
  EventId event;
  uint64_t placement_version = 0;
  uint64_t active_mask = 0;         // bit r: rank r takes part in this event; this rank and all dests do
  const std::byte* rows = nullptr;  // [num_rows][row_bytes]
  uint32_t num_rows = 0;            // at most shape.max_tokens
  uint32_t row_bytes = 0;           // at most shape.row_bytes
  std::span<const A2ePart> parts;  // of different ranks; a part without rows is left out, or an empty header (kBarrier)
  std::span<const TraceRef> traces;
};

/// Messages that one half of an endpoint has sent and received since the start.
struct ExchangeCounters {
  uint64_t num_sent = 0;
  uint64_t num_received = 0;
  bool operator==(const ExchangeCounters&) const = default;
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

/// A message that has arrived and passed all checks: counts sum to num_pairs, every pair_rows value is below num_rows.
/// Header, counts and pairs are private copies; rows lie in the slot and are opaque. Valid until finish(), reply() or fail().
struct A2eView {
  uint32_t rank = 0;  // the attention rank
  uint64_t rank_epoch = 0;
  uint32_t sender = 0;  // the rank that wrote the slot: `rank`, or its forwarder
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

}  // namespace switchyard::xccl
