#include "xccl/p2p/sender.h"

#include <sched.h>

#include <algorithm>
#include <bit>

#include "xccl/p2p/copy_timer.h"
#include "xccl/p2p/pair_text.h"
#include "xccl/p2p/read_helper.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

RingBody inline_body(uint32_t event, std::span<const std::byte> payload, bool wants_ack) {
  RingBody body{};
  body.event = event;
  body.head = RingHead::of(RingKind::kInline, static_cast<uint32_t>(payload.size()), wants_ack).bits;
  body.payload = small_load(payload.data(), payload.size());
  return body;
}

uint64_t num_chunks(uint64_t num_bytes, uint32_t slot_bytes) {
  return num_bytes <= kInlineBytesMax ? 1 : (num_bytes + slot_bytes - 1) / slot_bytes;
}

}  // namespace

Status Sender::open(uint32_t dest, LinkRef* link) {
  if (dest >= local_.config().max_ranks)
    return {Code::kInvalidArgument, "send: rank " + std::to_string(dest) + " is not below max_ranks"};
  *link = local_.peers().acquire(dest, SoleUser::kSender);
  if (!*link) return local_.explain_unlinked(dest);
  if (rings_[dest].serial() == link->serial()) return {};
  if (!link->target().layout.has_rings())
    return {Code::kUnsupported, "send: rank " + std::to_string(dest) + " has no rings"};
  rings_[dest].begin(local_, dest, *link);
  ways_[dest] = {};
  return {};
}

// ---- Blocking form ----

Status Sender::send(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline, SendMode mode,
                    CallScope* scope) {
  const bool is_short = payload.size() <= kInlineBytesMax && mode == SendMode::kBuffered;
  if (is_short && dest < local_.config().max_ranks) [[likely]] {
    RingWriter& ring = rings_[dest];
    const LinkRef link = local_.peers().acquire(dest, SoleUser::kSender);
    if (link && ring.is_ready(link.serial()) && queues_[dest].is_empty()) [[likely]] {
      ring.publish_mapped(inline_body(event, payload, false));
      return {};
    }
  }
  return send_longer(dest, event, payload, deadline, mode, scope);
}

/// The rest of send: whatever is not a short message with room at once.
Status Sender::send_longer(uint32_t dest, uint32_t event, std::span<const std::byte> payload, Deadline deadline,
                           SendMode mode, CallScope* scope) {
  SendOp op = SendOp::of(dest, event, payload, mode);
  op.scope = scope;
  return run(op, deadline);
}

Status Sender::try_send(uint32_t dest, uint32_t event, std::span<const std::byte> payload) {
  LinkRef link;
  SWITCHYARD_RETURN_IF_ERROR(open(dest, &link));
  advance_queue(dest, link);
  RingWriter& ring = rings_[dest];
  SWITCHYARD_RETURN_IF_ERROR(refresh(dest, event, link));
  const uint64_t num_needed = num_chunks(payload.size(), ring.slot_bytes()) + (ring.owes_end ? 1 : 0);
  if (!queues_[dest].unpublished.is_empty() || num_needed > ring.num_free()) {
    return pair_error(Code::kResourceExhausted, dest, event,
                      "ring full: " + std::to_string(num_needed) + " slots needed, " +
                          std::to_string(queues_[dest].unpublished.is_empty() ? ring.num_free() : 0) + " free");
  }
  SendOp op = SendOp::of(dest, event, payload, SendMode::kBuffered);
  op.may_offer = false;
  Status fault;
  publish_all(op, link, &fault);
  return fault;
}

Status Sender::run(SendOp& op, Deadline deadline) {
  LinkRef link;
  SWITCHYARD_RETURN_IF_ERROR(open(op.dest, &link));
  op.is_awaited = true;
  Status fault;
  const auto check = [&]() -> uint32_t {
    if (!queues_[op.dest].is_empty()) advance_queue(op.dest, link);
    // What was queued before goes first.
    if (!queues_[op.dest].unpublished.is_empty()) return check_live(op, link, &fault) ? 1 : 0;
    return advance(op, link, &fault) ? 0 : 1;
  };
  const PartTimer timer(op.scope, CallPart::kWait);
  if (wait_on(local_.waiter(bell_of(Bell::kRingAck)), deadline, check, [&] { local_.progress(); })) {
    if (!fault.ok()) retract(op);
    return fault;
  }
  retract(op);
  give_up(op);
  if (op.last_chunk != 0)
    return pair_error(Code::kTimeout, op.dest, op.event, "the message was not acknowledged before the deadline");
  return pair_error(Code::kTimeout, op.dest, op.event,
                    "ring full: " + std::to_string(op.num_sent) + " of " + std::to_string(op.size) +
                        " bytes were sent before the deadline");
}

// ---- One operation ----

/// True when the operation is over; *fault says how.
bool Sender::advance(SendOp& op, const LinkRef& link, Status* fault) {
  if (op.last_chunk == 0 && !publish_all(op, link, fault)) return false;
  return !fault->ok() || op.mode == SendMode::kBuffered || await_taken(op, link, fault);
}

/// True when all is published, or *fault is set.
bool Sender::publish_all(SendOp& op, const LinkRef& link, Status* fault) {
  RingWriter& ring = rings_[op.dest];
  while (op.last_chunk == 0) {
    if (ring.num_free() == 0) {
      *fault = refresh(op.dest, op.event, link);
      if (!fault->ok()) return true;
      if (ring.num_free() == 0) return !check_live(op, link, fault);
    }
    *fault = publish_next(op, ring, link);
    if (!fault->ok()) return true;
  }
  if (op.is_timed) ways_[op.dest].await({op.size, op.is_region, op.is_helped}, op.way, op.last_chunk, op.copy_ns);
  return true;
}

Status Sender::publish_next(SendOp& op, RingWriter& ring, const LinkRef& link) {
  Fabric& fabric = link.fabric();
  if (ring.owes_end) {
    RingBody body{};
    body.head = RingHead::of(RingKind::kGivenUp, 0, false).bits;
    ring.owes_end = false;
    return ring.publish(fabric, body);
  }
  if (!op.is_decided) SWITCHYARD_RETURN_IF_ERROR(decide(op, link));
  if (op.way == Way::kSpecial && !op.is_region) return publish_offer(op, ring, fabric);
  const bool wants_ack = op.mode == SendMode::kAcknowledged;
  if (op.size > kInlineBytesMax && !op.is_region) return publish_chunk(op, ring, fabric);
  op.last_chunk = ring.next_chunk();
  op.num_sent = op.size;
  if (op.is_region) return publish_region(op, ring, link);
  return ring.publish(fabric, inline_body(op.event, {op.from, op.size}, wants_ack));
}

/// The receiver copies it out of this rank's segment.
Status Sender::publish_region(SendOp& op, RingWriter& ring, const LinkRef& link) {
  const bool is_core_free = op.way == Way::kSpecial;
  const uint32_t value = static_cast<uint32_t>(op.region_area) | (is_core_free ? RingHead::kFreeCoreBit : 0);
  RingBody body{};
  body.event = op.event;
  body.head = RingHead::of(RingKind::kRegion, value, op.mode == SendMode::kAcknowledged).timed(op.is_timed).bits;
  body.region.num_bytes = op.size;
  body.region.offset = op.region_offset;
  SWITCHYARD_RETURN_IF_ERROR(ring.publish(link.fabric(), body));
  if (is_core_free) give_core(ring);
  return {};
}

/// Its way, and whether it is timed: once, when it is about to be published.
Status Sender::decide(SendOp& op, const LinkRef& link) {
  op.is_decided = true;
  op.is_helped = op.is_awaited && op.size >= kHelpedBytesMin && !local_.is_crowded();
  if (!has_choice(op, link.target())) return {};
  const PullMode mode = local_.config().pull_mode;
  if (mode == PullMode::kAlways) op.way = Way::kSpecial;
  if (mode == PullMode::kAlways || op.size < kPullBytesMin) return {};
  SWITCHYARD_RETURN_IF_ERROR(settle_timed(op, link));
  const PeerWays::Kind kind{op.size, op.is_region, op.is_helped};
  op.way = ways_[op.dest].next(kind);
  op.is_timed = ways_[op.dest].is_timed(kind);
  return {};
}

/// Is there more than the plain way for it?
bool Sender::has_choice(const SendOp& op, const LinkTarget& target) {
  if (op.is_region) return op.is_helped;
  return op.may_offer && op.size > kInlineBytesMax && target.pull.may_offer;
}

/// Has the timed message been taken meanwhile?
Status Sender::settle_timed(const SendOp& op, const LinkRef& link) {
  const uint64_t chunk = ways_[op.dest].awaited_chunk();
  if (chunk == 0) return {};
  const RingWriter& ring = rings_[op.dest];
  if (!ring.is_taken(chunk)) SWITCHYARD_RETURN_IF_ERROR(refresh(op.dest, op.event, link));
  if (ring.is_taken(chunk)) ways_[op.dest].note(ring.taken_ns(chunk));
  return {};
}

/// The message stays where it is until the receiver has it.
Status Sender::publish_offer(SendOp& op, RingWriter& ring, Fabric& fabric) {
  op.offered_on = ring.serial();
  op.mode = SendMode::kAcknowledged;
  op.last_chunk = ring.next_chunk();
  op.num_sent = op.size;
  RingBody body{};
  body.event = op.event;
  const uint32_t value = op.is_helped ? RingHead::kFreeCoreBit : 0;
  body.head = RingHead::of(RingKind::kOffer, value, true).timed(op.is_timed).bits;
  body.offer.num_bytes = op.size;
  body.offer.address = reinterpret_cast<uint64_t>(op.from);
  SWITCHYARD_RETURN_IF_ERROR(ring.publish(fabric, body));
  if (op.is_helped) give_core(ring);
  return {};
}

/// The receiver's helping thread is woken here, on the core that it is to have, and runs when this thread steps aside.
void Sender::give_core(const RingWriter& ring) {
  if (ring.wake_helper()) sched_yield();
}

Status Sender::publish_chunk(SendOp& op, RingWriter& ring, Fabric& fabric) {
  // Equal parts, no more of them than it needs: the receiver copies one out while the next is copied in.
  const uint64_t num_parts = num_chunks(op.size, ring.slot_bytes());
  const uint64_t part_bytes = std::min<uint64_t>(ring.slot_bytes(), round_up(op.size / num_parts + 1, kLineBytes));
  const auto num_bytes = static_cast<uint32_t>(std::min(part_bytes, op.size - op.num_sent));
  {
    const CopyTimer timer(op.scope, op.is_timed ? &op.copy_ns : nullptr);
    SWITCHYARD_RETURN_IF_ERROR(ring.fill(fabric, {op.from + op.num_sent, num_bytes}));
  }
  const bool is_last = op.num_sent + num_bytes == op.size;
  RingBody body{};
  body.event = op.event;
  const bool wants_ack = is_last && (op.is_timed || op.mode == SendMode::kAcknowledged);
  body.head = RingHead::of(RingKind::kChunk, num_bytes, wants_ack).timed(op.is_timed).bits;
  body.chunk.total_bytes = op.size;
  body.chunk.offset = op.num_sent;
  op.is_begun = true;
  op.num_sent += num_bytes;
  if (is_last) op.last_chunk = ring.next_chunk();
  return ring.publish(fabric, body);
}

/// True when the receiver has taken the operation's last chunk, or *fault is set.
bool Sender::await_taken(const SendOp& op, const LinkRef& link, Status* fault) {
  RingWriter& ring = rings_[op.dest];
  if (ring.is_taken(op.last_chunk)) return true;
  *fault = refresh(op.dest, op.event, link);
  return !fault->ok() || ring.is_taken(op.last_chunk) || !check_live(op, link, fault);
}

Status Sender::refresh(uint32_t dest, uint32_t event, const LinkRef& link) {
  const Status status = rings_[dest].refresh();
  if (status.ok()) return {};
  local_.report_corrupt(dest, link.serial(), status.message());
  return pair_error(status.code(), dest, event, status.message());
}

bool Sender::check_live(const SendOp& op, const LinkRef& link, Status* fault) const {
  if (link.is_live()) return true;
  *fault = pair_gone(local_, op.dest, op.event);
  return false;
}

/// What was offered is the caller's again. What was offered on a link before this one ended when this one was begun (RingWriter::begin).
void Sender::retract(const SendOp& op) {
  RingWriter& ring = rings_[op.dest];
  if (op.offered_on != 0 && op.offered_on == ring.serial()) ring.retract(op.last_chunk);
}

/// The caller's memory is his again: a message that is partly through ends there.
void Sender::give_up(const SendOp& op) {
  if (op.is_begun && op.last_chunk == 0) rings_[op.dest].owes_end = true;
}

// ---- Queued operations ----

Status Sender::prepare(uint32_t dest) {
  LinkRef link;
  SWITCHYARD_RETURN_IF_ERROR(open(dest, &link));
  advance_queue(dest, link);
  return {};
}

void Sender::submit(AsyncOp& op) {
  const uint32_t dest = op.send.dest;
  Queue& queue = queues_[dest];
  if (queue.is_empty()) queue.serial = rings_[dest].serial();
  table_.append(queue.unpublished, table_.idx_of(op));
  active_ranks_ |= uint64_t{1} << dest;
  advance_rank(dest);
}

void Sender::advance_queues() {
  for (uint64_t left = active_ranks_; left != 0; left &= left - 1)
    advance_rank(static_cast<uint32_t>(std::countr_zero(left)));
}

void Sender::advance_rank(uint32_t dest) {
  const LinkRef link = local_.peers().acquire(dest, SoleUser::kSender);
  advance_queue(dest, link);
}

/// Without a link, or with another one than the operations were queued on, all of them fail.
void Sender::advance_queue(uint32_t dest, const LinkRef& link) {
  Queue& queue = queues_[dest];
  if (queue.is_empty()) return;
  if (!link || link.serial() != queue.serial) {
    fail_queue(dest, queue.unacked);
    fail_queue(dest, queue.unpublished);
  }
  while (!queue.unpublished.is_empty()) {
    AsyncOp& op = table_.at(queue.unpublished.front());
    Status fault;
    if (!publish_all(op.send, link, &fault)) break;
    const uint8_t idx = table_.pop(queue.unpublished);
    const bool is_over = !fault.ok() || op.send.mode == SendMode::kBuffered;
    if (is_over) finish(idx, std::move(fault));
    if (!is_over) table_.append(queue.unacked, idx);
  }
  while (!queue.unacked.is_empty()) {
    Status fault;
    if (!await_taken(table_.at(queue.unacked.front()).send, link, &fault)) break;
    finish(table_.pop(queue.unacked), std::move(fault));
  }
  if (queue.is_empty()) active_ranks_ &= ~(uint64_t{1} << dest);
}

void Sender::fail_queue(uint32_t dest, OpList& list) {
  while (!list.is_empty()) {
    const uint8_t idx = table_.pop(list);
    finish(idx, pair_gone(local_, dest, table_.at(idx).send.event));
  }
}

void Sender::finish(uint8_t idx, Status status) {
  if (!status.ok()) retract(table_.at(idx).send);
  table_.finish(idx, std::move(status));
}

void Sender::withdraw(AsyncOp& op) {
  const uint32_t dest = op.send.dest;
  Queue& queue = queues_[dest];
  const uint8_t idx = table_.idx_of(op);
  if (!table_.remove(queue.unpublished, idx)) table_.remove(queue.unacked, idx);
  retract(op.send);
  if (rings_[dest].serial() == queue.serial) give_up(op.send);
  if (queue.is_empty()) active_ranks_ &= ~(uint64_t{1} << dest);
}

}  // namespace switchyard::xccl
