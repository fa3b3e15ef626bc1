// PartClaims: the parts of one read that two threads share. Each claims from its own end until they meet: what a thread reads at one
// time is what it reads the next time, and what a sender has written last is read on its core. Used by ReadHelper.
#pragma once

#include <atomic>
#include <cstdint>

namespace switchyard::xccl {

class PartClaims {
 public:
  enum class End : uint8_t { kFront, kBack };

  // ---- The thread whose read it is ----

  /// Nothing is left of an earlier read.
  void begin(uint32_t num_parts) {
    num_expected_ = num_parts;
    num_done_.store(0, std::memory_order_relaxed);
    left_.exchange(uint64_t{num_parts} << 32, std::memory_order_seq_cst);
  }
  /// From now on nothing is left to be claimed; what is claimed goes on.
  void withdraw() {
    const Range left{left_.exchange(0, std::memory_order_seq_cst)};
    num_expected_ -= left.end() - left.begin();
  }
  /// Is all done that was begun? Then what was read can be seen, and nobody reads any more.
  bool are_done() const { return num_done_.load(std::memory_order_acquire) == num_expected_; }

  // ---- Both threads ----

  bool is_any_left() const { return !Range{left_.load(std::memory_order_seq_cst)}.is_empty(); }
  /// False when none is left. Each claimed part is to be counted as done.
  bool claim(End end, uint32_t* part_idx) {
    Range left{left_.load(std::memory_order_seq_cst)};
    Range next;
    do {
      if (left.is_empty()) return false;
      *part_idx = end == End::kFront ? left.begin() : left.end() - 1;
      next = end == End::kFront ? Range{left.bits + 1} : Range{left.bits - (uint64_t{1} << 32)};
    } while (!left_.compare_exchange_weak(left.bits, next.bits, std::memory_order_seq_cst));
    return true;
  }
  void count_done() { num_done_.fetch_add(1, std::memory_order_release); }

 private:
  /// Parts begin() .. end() - 1.
  struct Range {
    uint64_t bits = 0;
    uint32_t begin() const { return static_cast<uint32_t>(bits); }
    uint32_t end() const { return static_cast<uint32_t>(bits >> 32); }
    bool is_empty() const { return begin() == end(); }
  };

  uint32_t num_expected_ = 0;
  alignas(64) std::atomic<uint64_t> left_{0};  // Range of the parts that nobody has claimed
  std::atomic<uint32_t> num_done_{0};
};

}  // namespace switchyard::xccl
