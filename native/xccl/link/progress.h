// The progress word and how a peer's broker judges it: a rank that is busy, or owes an answer, and whose word stands still for
// longer than the liveness timeout plus its allowance hangs. One word, so that one load sees a consistent state.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>

namespace switchyard::xccl {

struct ProgressWord {
  static constexpr uint64_t kBusyBit = 1ull << 63;
  static constexpr uint32_t kAllowanceShift = 40;
  static constexpr uint64_t kCountMask = (1ull << kAllowanceShift) - 1;
  static constexpr uint64_t kAllowanceMaxMs = 3'600'000;

  uint64_t bits = 0;

  bool is_busy() const { return (bits & kBusyBit) != 0; }
  std::chrono::milliseconds allowance() const {
    return std::chrono::milliseconds((bits & ~kBusyBit) >> kAllowanceShift);
  }
  ProgressWord next(bool is_busy, uint64_t allowance_ms) const {
    const uint64_t count = (bits + 1) & kCountMask;
    const uint64_t allowance = allowance_ms < kAllowanceMaxMs ? allowance_ms : kAllowanceMaxMs;
    return {(is_busy ? kBusyBit : 0) | (allowance << kAllowanceShift) | count};
  }
};
static_assert(ProgressWord::kAllowanceMaxMs < (1ull << 23));

/// Replaces the word by change(word). Only threads of the owning rank write it.
template <class Change>
void progress_update(std::atomic<uint64_t>& word, Change&& change) {
  uint64_t seen = word.load(std::memory_order_relaxed);
  while (!word.compare_exchange_weak(seen, change(ProgressWord{seen}).bits, std::memory_order_release,
                                     std::memory_order_relaxed)) {
  }
}

/// One peer's judge; called by the broker at every tick.
class LivenessMonitor {
 public:
  using TimePoint = std::chrono::steady_clock::time_point;

  LivenessMonitor(std::chrono::milliseconds timeout, TimePoint now) : timeout_(timeout), since_(now) {}

  /// True when the peer hangs. A peer that need not progress is never judged, nor is time before it had to.
  bool is_hung(ProgressWord word, bool is_awaited, TimePoint now) {
    const bool must_progress = word.is_busy() || is_awaited;
    if (word.bits != last_.bits || !must_progress) {
      last_ = word;
      since_ = now;
      return false;
    }
    return now - since_ > timeout_ + word.allowance();
  }

  /// The judge itself did not run for a while (a suspended machine, a starved core): what it did not see proves nothing.
  void forgive(TimePoint now) { since_ = now; }

 private:
  std::chrono::milliseconds timeout_;
  ProgressWord last_;
  TimePoint since_;
};

}  // namespace switchyard::xccl
