// What the data plane's telemetry reports: sums and histograms per peer and primitive, and records of the last calls. Values only:
// filled by recorder.cc, returned by Communicator::telemetry() and calls(), turned into metrics and span events by the control plane.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// The calls that move bytes or wait for a peer. kNames in recorder.cc has one name for each.
enum class Primitive : uint8_t {
  kGet,
  kPut,
  kPutSignal,
  kWaitSignal,
  kSend,
  kRecv,
  kA2eSend,
  kA2eTake,
  kE2aReply,
  kE2aWait,
  kAllToAll,
  kDispatch,
  kCombine,
  kBarrier,
  kBroadcast,
  kAllGather,
  kReduceScatter,
  kAllReduce,
  kFence,
};
inline constexpr uint32_t kNumPrimitives = 19;

/// The name that metrics carry: "get", "a2e_send", ...
const char* primitive_name(Primitive primitive);

/// Stands for the peer of calls with several.
inline constexpr uint32_t kAllPeers = kNumRanksMax;

/// Bucket i counts calls of [2^i, 2^(i+1)) ns; bucket 0 also has what is shorter, the last what is longer.
inline constexpr uint32_t kNumDurationBuckets = 36;

/// All calls of one primitive with one peer since telemetry was first switched on, whatever epoch the peer had. A call with several
/// peers counts once, for kAllPeers; its bytes count for each peer, so that sums over all peers count nothing twice.
struct PrimitiveStats {
  Primitive primitive = Primitive::kGet;
  uint32_t peer = kAllPeers;
  uint64_t num_calls = 0;
  uint64_t num_errors = 0;
  uint64_t bytes = 0;  // payload of the calls that succeeded
  uint64_t duration_ns = 0;
  uint64_t wait_ns = 0;  // part of duration_ns: for arrivals, free slots, answers
  uint64_t copy_ns = 0;  // part of duration_ns: moving payload
  std::array<uint64_t, kNumDurationBuckets> duration_buckets{};
};

/// One call, for traces.
struct CallRecord {
  Primitive primitive = Primitive::kGet;
  Code code = Code::kOk;
  uint32_t peer = kAllPeers;  // of a call with several the one that made it wait or fail, where that is known
  EventId event;              // of a message or a group call its event id, as step; zero where the primitive has none
  uint64_t start_unix_ns = 0;
  uint64_t duration_ns = 0;
  uint64_t bytes = 0;  // payload for all its peers together; 0 of a call that failed
};

/// Calls [first, end) of a communicator, numbered from 0 in the order in which they were recorded: when they ended.
struct CallRange {
  uint64_t first = 0;
  uint64_t end = 0;
};

struct CallRecords {
  std::vector<CallRecord> calls;  // in their order
  uint64_t num_lost = 0;          // calls of the range that later ones have overwritten, or that are being written
};
/// The last so many are kept.
inline constexpr uint32_t kNumCallRecords = 1024;

/// Calls that end while the report is made may be in only some of its figures.
struct TelemetryReport {
  bool is_on = false;
  std::vector<PrimitiveStats> stats;  // those with calls
};

}  // namespace switchyard::xccl
