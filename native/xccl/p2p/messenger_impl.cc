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
// The shortest calls ask once whether anybody looks on, and hand their arguments on as they came.

Status MessengerImpl::send(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline,
                           SendMode mode, OpTiming* timing) {
  if (is_observed(timing)) [[unlikely]]
    return send_observed(dest, event, payload, deadline, mode, timing);
  return sender_.send(dest, event, payload, deadline, mode, nullptr);
}

Status MessengerImpl::send_observed(uint32_t dest, uint32_t event, std::span<const std::byte> payload,
                                    Deadline deadline, SendMode mode, OpTiming* timing) {
  const OpTimer timer(timing);
  return count_call(local_.recorder(), {Primitive::kSend, dest, {event}}, [=, this](CallScope* scope) {
    if (scope) scope->set_bytes(payload.size());
    return sender_.send(dest, event, payload, deadline, mode, scope);
  });
}

Status MessengerImpl::send_zero_copy(uint32_t dest, uint32_t event, const Region& region, Deadline deadline,
                                     OpTiming* timing) {
  const OpTimer timer(timing);
  return count_call(local_.recorder(), {Primitive::kSend, dest, {event}}, [=, this](CallScope* scope) {
    if (scope) scope->set_bytes(region.num_bytes);
    SWITCHYARD_RETURN_IF_ERROR(one_sided_.check_own(region));
    SendOp op = SendOp::of_region(dest, event, region);
    op.scope = scope;
    return sender_.run(op, deadline);
  });
}

Status MessengerImpl::recv(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes,
                           Deadline deadline, OpTiming* timing) {
  if (is_observed(timing)) [[unlikely]]
    return recv_observed(src, event, into, num_bytes, deadline, timing);
  return receiver_.recv(src, event, into, num_bytes, deadline, nullptr);
}

Status MessengerImpl::recv_observed(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes,
                                    Deadline deadline, OpTiming* timing) {
  const OpTimer timer(timing);
  return count_call(local_.recorder(), {Primitive::kRecv, src, {event}}, [=, this](CallScope* scope) {
    size_t num_received = 0;
    Status status = receiver_.recv(src, event, into, &num_received, deadline, scope);
    if (scope) scope->set_bytes(num_received);
    if (status.ok() && num_bytes) *num_bytes = num_received;
    return status;
  });
}

// ---- One-sided ----

Status MessengerImpl::put_with_signal(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload,
                                      uint64_t signal_offset, uint64_t value) {
  if (is_observed(nullptr)) [[unlikely]]
    return put_with_signal_observed(dest, zc_offset, payload, signal_offset, value);
  return one_sided_.put_with_signal(dest, zc_offset, payload, signal_offset, value);
}

Status MessengerImpl::put_with_signal_observed(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload,
                                               uint64_t signal_offset, uint64_t value) {
  return counted_part({Primitive::kPutSignal, dest}, payload.size(), CallPart::kCopy,
                      [=, this] { return one_sided_.put_with_signal(dest, zc_offset, payload, signal_offset, value); });
}

Status MessengerImpl::wait_signal(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline) {
  if (is_observed(nullptr)) [[unlikely]]
    return wait_signal_observed(src, signal_offset, value, deadline);
  return one_sided_.wait_signal(src, signal_offset, value, deadline);
}

Status MessengerImpl::wait_signal_observed(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline) {
  return counted_part({Primitive::kWaitSignal, src}, 0, CallPart::kWait,
                      [=, this] { return one_sided_.wait_signal(src, signal_offset, value, deadline); });
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
