// Recorder: counts the calls of one communicator, from any thread, while telemetry is on. Off (the default) it has no memory
// of its own and a call costs one relaxed load (scope.h). Owned by LocalRank.
#pragma once

#include <atomic>
#include <chrono>
#include <memory>
#include <mutex>

#include "xccl/telemetry/report.h"

namespace switchyard::xccl {

/// A finished call as its scope saw it.
struct FinishedCall {
  Primitive primitive;
  Code code = Code::kOk;
  uint32_t peer;         // counted for
  uint32_t record_peer;  // named in its record
  EventId event;
  std::chrono::steady_clock::time_point start;
  uint64_t duration_ns = 0;
  uint64_t wait_ns = 0;
  uint64_t copy_ns = 0;
  uint64_t bytes = 0;       // of a call with one peer
  uint64_t peer_bytes = 0;  // of one with several, counted for each of them already
};

/// The memory behind a recorder: made when telemetry is first switched on.
struct CallCounters;

class Recorder {
 public:
  Recorder();
  ~Recorder();
  Recorder(const Recorder&) = delete;

  /// Switching on for the first time allocates; switching off keeps what was counted.
  void switch_to(bool on);
  bool is_on() const { return is_on_.load(std::memory_order_relaxed); }
  /// Called by scopes that began while it was on.
  void record(const FinishedCall& call);
  /// What a call with several peers moved for one of them.
  void add_bytes(Primitive primitive, uint32_t peer, uint64_t num_bytes);
  TelemetryReport report() const;
  /// How many calls have been recorded so far: the number of the next one.
  uint64_t num_calls() const;
  /// Any thread, also while calls are recorded. What lies beyond the last recorded call is left out.
  CallRecords calls(CallRange range) const;

 private:
  std::atomic<bool> is_on_{false};
  std::atomic<CallCounters*> counters_{nullptr};
  mutable std::mutex mutex_;  // switch_to alone
  std::unique_ptr<CallCounters> owned_;
};

}  // namespace switchyard::xccl
