// Fills an OpTiming (null: nothing is measured) when it goes out of scope.
#pragma once

#include <time.h>

#include <chrono>

#include "xccl/types.h"

namespace switchyard::xccl {

class OpTimer {
 public:
  explicit OpTimer(OpTiming* timing) : timing_(timing) {
    if (!timing_) return;
    timespec now{};
    clock_gettime(CLOCK_REALTIME, &now);
    timing_->start_unix_ns = static_cast<uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(now.tv_nsec);
    start_ = std::chrono::steady_clock::now();
  }
  ~OpTimer() {
    if (!timing_) return;
    const std::chrono::nanoseconds spent = std::chrono::steady_clock::now() - start_;
    timing_->duration_ns = static_cast<uint64_t>(spent.count());
  }
  OpTimer(const OpTimer&) = delete;

 private:
  OpTiming* timing_;
  std::chrono::steady_clock::time_point start_;
};

}  // namespace switchyard::xccl
