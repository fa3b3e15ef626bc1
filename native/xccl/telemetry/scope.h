// CallScope: what every primitive opens at its beginning to be counted. Off, it costs one relaxed load and never reads a clock.
//
//   Status Messenger::send(uint32_t dest, ...) {
//     CallScope scope(local_.recorder(), Primitive::kSend, dest, event);
//     ...
//     { const PartTimer timer(scope, CallPart::kWait); wait_on(...); }
//     { const PartTimer timer(scope, CallPart::kCopy); fabric.put(...); }
//     scope.note(status, num_bytes);
//     return status;
//   }
#pragma once

#include <chrono>
#include <utility>

#include "xccl/telemetry/recorder.h"

namespace switchyard::xccl {

enum class CallPart : uint8_t { kWait, kCopy };

class CallScope {
 public:
  CallScope(Recorder& recorder, Primitive primitive, uint32_t peer, const EventId& event = {})
      : recorder_(recorder.is_on() ? &recorder : nullptr) {
    if (recorder_) begin(primitive, peer, event);
  }
  ~CallScope() {
    if (recorder_) finish();
  }
  CallScope(const CallScope&) = delete;

  bool is_on() const { return recorder_ != nullptr; }
  /// Says how the call went: once, at its end. Without it the call counts as kInternal.
  void note(const Status& status, uint64_t num_bytes) {
    if (!recorder_) return;
    call_.code = status.code();
    call_.bytes = status.ok() ? num_bytes : 0;
  }
  /// For calls whose event or peer is known only at their end.
  void set_event(uint32_t peer, const EventId& event) {
    if (!recorder_) return;
    call_.peer = peer;
    call_.event = event;
  }

 private:
  friend class PartTimer;
  void begin(Primitive primitive, uint32_t peer, const EventId& event);
  void finish();

  Recorder* const recorder_;
  FinishedCall call_;  // untouched while off
};

/// Adds its lifetime to one part of the call. Parts do not nest.
class PartTimer {
 public:
  PartTimer(CallScope& scope, CallPart part) : scope_(scope.is_on() ? &scope : nullptr), part_(part) {
    if (scope_) start_ = std::chrono::steady_clock::now();
  }
  ~PartTimer() {
    if (!scope_) return;
    const std::chrono::nanoseconds spent = std::chrono::steady_clock::now() - start_;
    (part_ == CallPart::kWait ? scope_->call_.wait_ns : scope_->call_.copy_ns) += static_cast<uint64_t>(spent.count());
  }
  PartTimer(const PartTimer&) = delete;

 private:
  CallScope* const scope_;
  const CallPart part_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace switchyard::xccl
