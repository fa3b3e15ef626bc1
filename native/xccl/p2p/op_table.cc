#include "xccl/p2p/op_table.h"

namespace switchyard::xccl {

void OpTable::append(OpList& list, uint8_t idx) {
  ops_[idx].next = OpList::kNone;
  if (list.is_empty()) {
    list.first_ = idx;
  } else {
    ops_[list.last_].next = idx;
  }
  list.last_ = idx;
}

uint8_t OpTable::pop(OpList& list) {
  const uint8_t idx = list.first_;
  list.first_ = ops_[idx].next;
  return idx;
}

bool OpTable::remove(OpList& list, uint8_t idx) {
  uint8_t before = OpList::kNone;
  for (uint8_t i = list.first_; i != OpList::kNone; before = i, i = ops_[i].next) {
    if (i != idx) continue;
    (before == OpList::kNone ? list.first_ : ops_[before].next) = ops_[idx].next;
    if (list.last_ == idx) list.last_ = before;
    return true;
  }
  return false;
}

size_t OpTable::collect(std::span<Completion> out) {
  size_t num_collected = 0;
  while (num_collected < out.size() && !over_.is_empty()) hand_out(ops_[pop(over_)], &out[num_collected++]);
  return num_collected;
}

void OpTable::collect_one(AsyncOp& op, Completion* out) {
  remove(over_, idx_of(op));
  hand_out(op, out);
}

void OpTable::record(const AsyncOp& op) {
  if (op.start == std::chrono::steady_clock::time_point{}) return;
  const std::chrono::nanoseconds spent = std::chrono::steady_clock::now() - op.start;
  FinishedCall call{};
  call.primitive = op.is_send ? Primitive::kSend : Primitive::kRecv;
  call.code = op.status.code();
  call.peer = op.peer();
  call.event.step = op.is_send ? op.send.event : op.receive.event;
  call.start = op.start;
  call.duration_ns = static_cast<uint64_t>(spent.count());
  call.bytes = op.status.ok() ? op.num_bytes() : 0;
  recorder_.record(call);
}

void OpTable::hand_out(AsyncOp& op, Completion* out) {
  *out = {op.id, op.user_data, op.peer(), op.num_bytes(), std::move(op.status)};
  op.state = AsyncOp::State::kFree;
  append(free_, idx_of(op));
}

}  // namespace switchyard::xccl
