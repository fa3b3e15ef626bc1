#include "xccl/p2p/messenger_impl.h"

#include <string>

#include "xccl/link/op_timer.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

/// A wait that drives both halves sleeps on the bell of one of them, so it looks after the other this often.
constexpr std::chrono::microseconds kOtherHalfMax(100);

}  // namespace

// ---- Blocking form ----

Status MessengerImpl::send(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline,
                           SendMode mode, OpTiming* timing) {
  const OpTimer timer(timing);
  const uint64_t num_bytes = payload.size();
  return count_call(local_.recorder(), {Primitive::kSend, dest, {event}}, num_bytes,
                    [&](CallScope* scope) { return sender_.send(dest, event, payload, deadline, mode, scope); });
}

Status MessengerImpl::send_zero_copy(uint32_t dest, uint32_t event, const Region& region, Deadline deadline,
                                     OpTiming* timing) {
  const OpTimer timer(timing);
  return count_call(local_.recorder(), {Primitive::kSend, dest, {event}}, region.num_bytes, [&](CallScope* scope) {
    SWITCHYARD_RETURN_IF_ERROR(one_sided_.check_own(region));
    SendOp op = SendOp::of_region(dest, event, region);
    op.scope = scope;
    return sender_.run(op, deadline);
  });
}

Status MessengerImpl::recv(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes,
                           Deadline deadline, OpTiming* timing) {
  const OpTimer timer(timing);
  size_t num_received = 0;
  Status status = count_call(local_.recorder(), {Primitive::kRecv, src, {event}}, num_received, [&](CallScope* scope) {
    return receiver_.recv(src, event, into, &num_received, deadline, scope);
  });
  if (status.ok() && num_bytes) *num_bytes = num_received;
  return status;
}

// ---- Asynchronous form ----

Status MessengerImpl::open_operation(uint64_t user_data, AsyncOp** out) {
  *out = table_.open(user_data);
  if (*out) return {};
  return {Code::kResourceExhausted,
          std::to_string(kNumOperationsMax) + " operations are outstanding or not collected yet"};
}

Status MessengerImpl::submit_send(const SendOp& send, uint64_t user_data, OperationId* id) {
  SWITCHYARD_RETURN_IF_ERROR(sender_.prepare(send.dest));
  AsyncOp* op = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(open_operation(user_data, &op));
  op->is_send = true;
  op->send = send;
  *id = op->id;
  sender_.submit(*op);
  return {};
}

Status MessengerImpl::send_async(uint32_t dest, uint32_t event, std::span<const std::byte> payload, uint64_t user_data,
                                 OperationId* id, SendMode mode) {
  return submit_send(SendOp::of(dest, event, payload, mode), user_data, id);
}

Status MessengerImpl::send_zero_copy_async(uint32_t dest, uint32_t event, const Region& region, uint64_t user_data,
                                           OperationId* id) {
  SWITCHYARD_RETURN_IF_ERROR(one_sided_.check_own(region));
  return submit_send(SendOp::of_region(dest, event, region), user_data, id);
}

Status MessengerImpl::recv_async(uint32_t src, uint32_t event, std::span<std::byte> into, uint64_t user_data,
                                 OperationId* id) {
  SWITCHYARD_RETURN_IF_ERROR(receiver_.prepare(src));
  AsyncOp* op = nullptr;
  SWITCHYARD_RETURN_IF_ERROR(open_operation(user_data, &op));
  op->receive.src = src;
  op->receive.event = event;
  op->receive.into = into.data();
  op->receive.capacity = into.size();
  *id = op->id;
  receiver_.submit(*op);
  return {};
}

void MessengerImpl::advance() {
  sender_.advance_queues();
  receiver_.advance_queues();
}

size_t MessengerImpl::poll(std::span<Completion> out) {
  advance();
  return table_.collect(out);
}

Status MessengerImpl::wait(OperationId id, Deadline deadline, Completion* out) {
  AsyncOp* op = table_.find(id);
  if (!op) return {Code::kInvalidArgument, "no such operation: " + std::to_string(id.value)};
  const auto check = [&]() -> uint32_t {
    advance();
    return op->state == AsyncOp::State::kOver ? 0 : 1;
  };
  const bool has_other = op->is_send ? receiver_.has_outstanding() : sender_.has_outstanding();
  const std::chrono::nanoseconds sleep_max = has_other ? std::chrono::nanoseconds(kOtherHalfMax) : kSleepMax;
  Waiter& waiter = local_.waiter(bell_of(op->is_send ? Bell::kRingAck : Bell::kRing));
  const auto on_wake = [&] { local_.progress(); };
  if (!wait_on(waiter, deadline, check, on_wake, sleep_max))
    return {Code::kTimeout, "operation " + std::to_string(id.value) + " is not over at the deadline"};
  table_.collect_one(*op, out);
  return {};
}

Status MessengerImpl::cancel(OperationId id) {
  AsyncOp* op = table_.find(id);
  if (!op) return {Code::kInvalidArgument, "no such operation: " + std::to_string(id.value)};
  if (op->state == AsyncOp::State::kOver) return {};
  if (op->is_send) {
    sender_.withdraw(*op);
  } else {
    receiver_.withdraw(*op);
  }
  table_.finish(table_.idx_of(*op), {Code::kClosed, "cancelled"});
  return {};
}

}  // namespace switchyard::xccl
