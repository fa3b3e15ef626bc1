// CopyTimer: adds its lifetime to what the copies of a message that is timed (p2p/peer_ways.h) have taken, and to its call's where that
// is counted. Reads no clock otherwise.
#pragma once

#include "base/clock.h"
#include "xccl/telemetry/scope.h"

namespace switchyard::xccl {

class CopyTimer {
 public:
  /// `copy_ns`: null when the message is not timed.
  CopyTimer(CallScope* scope, uint64_t* copy_ns) : part_(scope, CallPart::kCopy), copy_ns_(copy_ns) {
    if (copy_ns_) start_ns_ = monotonic_now_ns();
  }
  ~CopyTimer() {
    if (copy_ns_) *copy_ns_ += static_cast<uint64_t>(monotonic_now_ns() - start_ns_);
  }
  CopyTimer(const CopyTimer&) = delete;

 private:
  const PartTimer part_;
  uint64_t* const copy_ns_;
  int64_t start_ns_ = 0;
};

}  // namespace switchyard::xccl
