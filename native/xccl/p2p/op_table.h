// The asynchronous operations of one rank: a fixed table, and lists of its entries by index, so that nothing is allocated. Shared
// by Sender and Receiver; one thread at a time.
#pragma once

#include <array>
#include <chrono>
#include <span>
#include <utility>

#include "xccl/p2p/pair_op.h"

namespace switchyard::xccl {

struct AsyncOp {
  enum class State : uint8_t { kFree, kOutstanding, kOver };

  State state = State::kFree;
  bool is_send = false;
  uint8_t next = 0;  // in whichever list it is
  OperationId id;
  uint64_t user_data = 0;
  SendOp send;                                    // of a send
  ReceiveOp receive;                              // of a receive
  Status status;                                  // once over
  std::chrono::steady_clock::time_point start{};  // where it is counted

  uint32_t peer() const { return is_send ? send.dest : receive.src; }
  uint64_t num_bytes() const { return is_send ? send.num_sent : receive.num_received; }
};

/// Entries in order, each in one list at most.
class OpList {
 public:
  bool is_empty() const { return first_ == kNone; }
  uint8_t front() const { return first_; }

 private:
  friend class OpTable;
  static constexpr uint8_t kNone = 0xff;
  uint8_t first_ = kNone;
  uint8_t last_ = kNone;
};

class OpTable {
 public:
  /// Operations are counted from when they are opened until they are over.
  explicit OpTable(Recorder& recorder) : recorder_(recorder) {
    for (uint32_t i = 0; i < kNumOperationsMax; ++i) append(free_, static_cast<uint8_t>(i));
  }

  /// A new outstanding operation, or null when the table is full.
  AsyncOp* open(uint64_t user_data) {
    if (free_.is_empty()) return nullptr;
    const uint8_t idx = pop(free_);
    AsyncOp& op = ops_[idx];
    op = AsyncOp{};
    op.state = AsyncOp::State::kOutstanding;
    op.id.value = ++num_opened_ * kNumOperationsMax + idx;
    op.user_data = user_data;
    if (recorder_.is_on()) op.start = std::chrono::steady_clock::now();
    return &op;
  }

  AsyncOp& at(uint8_t idx) { return ops_[idx]; }
  uint8_t idx_of(const AsyncOp& op) const { return static_cast<uint8_t>(&op - ops_.data()); }
  /// Null when it is unknown or collected.
  AsyncOp* find(OperationId id) {
    AsyncOp& op = ops_[id.value % kNumOperationsMax];
    return op.state != AsyncOp::State::kFree && op.id == id ? &op : nullptr;
  }

  void append(OpList& list, uint8_t idx);
  uint8_t pop(OpList& list);
  /// False when it is not in the list.
  bool remove(OpList& list, uint8_t idx);

  /// The operation, which is in no list any more, is over.
  void finish(uint8_t idx, Status status) {
    ops_[idx].status = std::move(status);
    ops_[idx].state = AsyncOp::State::kOver;
    append(over_, idx);
    if (recorder_.is_on()) record(ops_[idx]);
  }
  /// Collects what is over, oldest first.
  size_t collect(std::span<Completion> out);
  /// Collects one that is over.
  void collect_one(AsyncOp& op, Completion* out);

 private:
  void hand_out(AsyncOp& op, Completion* out);
  void record(const AsyncOp& op);

  Recorder& recorder_;
  std::array<AsyncOp, kNumOperationsMax> ops_;
  OpList free_;
  OpList over_;
  uint64_t num_opened_ = 0;
};
static_assert(kNumOperationsMax < 0xff);

}  // namespace switchyard::xccl
