#include "xccl/p2p/receiver.h"

#include <algorithm>
#include <bit>

#include "base/cpu_relax.h"
#include "xccl/p2p/copy_timer.h"
#include "xccl/p2p/pair_text.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

/// Looks in vain after which the open acknowledgement is written.
constexpr uint32_t kNumLooksBeforeAck = 32;

/// A message stays at the head when it is not the one that is asked for.
Status check_wanted(const ReceiveOp& op, uint32_t event, uint64_t num_bytes) {
  if (event != op.event) {
    return pair_error(Code::kMismatch, op.src, op.event, "the next message has event " + std::to_string(event));
  }
  if (num_bytes <= op.capacity) return {};
  return pair_error(
      Code::kInvalidArgument, op.src, op.event,
      "a message of " + std::to_string(num_bytes) + " bytes into " + std::to_string(op.capacity) + " bytes");
}

/// A chunk of `num_bytes` that goes on at `offset` of `total` bytes.
bool is_next_chunk(const RingBody& body, uint32_t slot_bytes, uint64_t total, uint64_t offset) {
  const uint32_t num_bytes = RingHead{body.head}.value();
  return body.chunk.total_bytes == total && body.chunk.offset == offset && num_bytes > 0 && num_bytes <= slot_bytes &&
         num_bytes <= total - offset;
}

}  // namespace

Status Receiver::open(uint32_t src, LinkRef* link) {
  if (src >= local_.config().max_ranks)
    return {Code::kInvalidArgument, "recv: rank " + std::to_string(src) + " is not below max_ranks"};
  *link = local_.peers().acquire(src, SoleUser::kReceiver);
  if (!*link) return local_.explain_unlinked(src);
  if (rings_[src].serial() == link->serial()) return {};
  if (!link->target().layout.has_rings())
    return {Code::kUnsupported, "recv: rank " + std::to_string(src) + " has no rings"};
  rings_[src].begin(local_, src, *link);
  return {};
}

// ---- Blocking form ----

/// The shortest wait, for the shortest messages: looks only, and only where the policy has looks. Two a pause: a way then took 0.87 of the
/// time with one on Zen 5, both cores in one complex; with four it took as long, without pauses longer (docs/xccl.md).
inline bool Receiver::comes_soon(const std::atomic<uint64_t>& seq, uint64_t awaited) {
  if (seq.load(std::memory_order_seq_cst) == awaited) return true;
  if (!local_.waiter(bell_of(Bell::kRing)).may_spin()) return false;
  for (uint32_t i = 0; i < kNumFirstLooks; ++i) {
    cpu_relax();
    if (seq.load(std::memory_order_seq_cst) == awaited || seq.load(std::memory_order_seq_cst) == awaited) return true;
  }
  return false;
}

Status Receiver::recv(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes, Deadline deadline,
                      CallScope* scope) {
  if (src < local_.config().max_ranks) {
    RingReader& ring = rings_[src];
    const LinkRef link = local_.peers().acquire(src, SoleUser::kReceiver);
    const bool is_ready = link && ring.serial() == link.serial() && queues_[src].waiting.is_empty();
    // Its place is found once, before the looks: what follows them is on the message's way.
    const RingField* field = is_ready && !ring.is_dropping ? &ring.next_field() : nullptr;
    if (field && comes_soon(field->seq, ring.next_chunk())) [[likely]] {
      const RingBody body = RingReader::read(*field);
      const RingHead head{body.head};
      const bool is_wanted = head.kind() == RingKind::kInline && body.event == event;
      if (is_wanted && head.value() <= std::min<size_t>(kInlineBytesMax, into.size())) [[likely]] {
        small_store(into.data(), body.payload, head.value());
        if (num_bytes) *num_bytes = head.value();
        return ring.take(link.fabric(), ring.message_stride(head.wants_ack()));
      }
    }
  }
  return receive(src, event, into, num_bytes, deadline, scope);
}

/// The rest of recv: whatever is not a short message that is nearly there.
Status Receiver::receive(uint32_t src, uint32_t event, std::span<std::byte> into, size_t* num_bytes, Deadline deadline,
                         CallScope* scope) {
  LinkRef link;
  SWITCHYARD_RETURN_IF_ERROR(open(src, &link));
  ReceiveOp op;
  op.src = src;
  op.event = event;
  op.into = into.data();
  op.capacity = into.size();
  op.scope = scope;
  const Status status = run(op, link, deadline);
  if (status.ok() && num_bytes) *num_bytes = op.num_received;
  return status;
}

Status Receiver::run(ReceiveOp& op, const LinkRef& link, Deadline deadline) {
  Status fault;
  uint32_t num_looks = 0;
  const auto check = [&]() -> uint32_t {
    if (is_next(op, link) && advance(op, link, &fault)) return 0;
    // A sender that waits for room must not wait for this rank's sleep.
    if (++num_looks != kNumLooksBeforeAck) return 1;
    fault = rings_[op.src].acknowledge(link.fabric());
    return fault.ok() ? 1 : 0;
  };
  const PartTimer timer(op.scope, CallPart::kWait);
  if (wait_on(local_.waiter(bell_of(Bell::kRing)), deadline, check, [&] { local_.progress(); })) return fault;
  give_up(op);
  const std::string what =
      op.is_begun ? std::to_string(op.num_received) + " of " + std::to_string(op.total) + " bytes" : "no message";
  return pair_error(Code::kTimeout, op.src, op.event, what + " came before the deadline");
}

/// What was asked for before is served first.
bool Receiver::is_next(const ReceiveOp& op, const LinkRef& link) {
  const OpList& waiting = queues_[op.src].waiting;
  if (!waiting.is_empty()) advance_queue(op.src, link);
  return waiting.is_empty();
}

// ---- One operation ----

/// True when the operation is over; *fault says how.
bool Receiver::advance(ReceiveOp& op, const LinkRef& link, Status* fault) {
  RingReader& ring = rings_[op.src];
  for (bool is_over = false; !is_over && fault->ok();) {
    switch (ring.look()) {
      case RingReader::Look::kThere:
        *fault = take_field(op, link, &is_over);
        break;
      case RingReader::Look::kNothing:
        if (link.is_live()) return false;
        *fault = pair_gone(local_, op.src, op.event);
        break;
      case RingReader::Look::kImpossible:
        *fault = corrupt(op.src, link, ring.impossible_text());
        break;
    }
  }
  return true;
}

Status Receiver::take_field(ReceiveOp& op, const LinkRef& link, bool* is_over) {
  RingReader& ring = rings_[op.src];
  const RingBody body = ring.read();
  if (ring.is_dropping) return drop_field(link, op.src, body);
  const RingKind kind = RingHead{body.head}.kind();
  if (kind == RingKind::kChunk) return take_chunk(op, link, body, is_over);
  *is_over = true;
  if (kind == RingKind::kGivenUp && op.is_begun) return take_end(op, link);
  if (kind == RingKind::kInline && !op.is_begun) return take_inline(op, link, body);
  if (kind == RingKind::kRegion && !op.is_begun) return take_region(op, link, body);
  if (kind == RingKind::kOffer && !op.is_begun) return take_offer(op, link, body);
  return corrupt(op.src, link, "a ring field of kind " + std::to_string(static_cast<uint32_t>(kind)));
}

Status Receiver::take_inline(ReceiveOp& op, const LinkRef& link, const RingBody& body) {
  const RingHead head{body.head};
  if (head.value() > kInlineBytesMax)
    return corrupt(op.src, link, std::to_string(head.value()) + " bytes in a ring field");
  SWITCHYARD_RETURN_IF_ERROR(check_wanted(op, body.event, head.value()));
  small_store(op.into, body.payload, head.value());
  op.total = op.num_received = head.value();
  return rings_[op.src].take(link.fabric(), rings_[op.src].message_stride(head.wants_ack()));
}

Status Receiver::take_chunk(ReceiveOp& op, const LinkRef& link, const RingBody& body, bool* is_over) {
  RingReader& ring = rings_[op.src];
  const uint64_t total = op.is_begun ? op.total : body.chunk.total_bytes;
  const bool is_right = is_next_chunk(body, ring.slot_bytes(), total, op.num_received);
  if (!is_right || (op.is_begun && body.event != op.event))
    return corrupt(op.src, link, "a chunk that does not go on after byte " + std::to_string(op.num_received));
  if (!op.is_begun) SWITCHYARD_RETURN_IF_ERROR(check_wanted(op, body.event, total));
  const RingHead head{body.head};
  {
    const CopyTimer timer(op.scope, head.is_timed() ? &op.copy_ns : nullptr);
    copy_bytes(op.into + op.num_received, ring.slot(), head.value(), puller_.path_of(total));
  }
  op.is_begun = true;
  op.total = total;
  op.num_received += head.value();
  *is_over = op.num_received == total;
  if (*is_over && head.is_timed()) ring.note_time(op.copy_ns);
  return ring.take(link.fabric(), ring.chunk_stride(head.wants_ack()));
}

Status Receiver::take_region(ReceiveOp& op, const LinkRef& link, const RingBody& body) {
  const RingHead head{body.head};
  if (head.area() > static_cast<uint32_t>(RegionArea::kZc))
    return corrupt(op.src, link, "a region in area " + std::to_string(head.area()));
  SWITCHYARD_RETURN_IF_ERROR(check_wanted(op, body.event, body.region.num_bytes));
  op.total = op.num_received = body.region.num_bytes;
  const Area area = head.area() == static_cast<uint32_t>(RegionArea::kZc) ? Area::kZc : Area::kApp;
  // A pull that has begun is finished: nothing in it waits.
  Status pulled;
  {
    const CopyTimer timer(op.scope, head.is_timed() ? &op.copy_ns : nullptr);
    pulled = pull_region(link, area, body.region.offset, {op.into, op.total}, head.is_core_free());
  }
  // Bounds are the sender's word: what is outside its area is as impossible as any other value.
  if (pulled.code() == Code::kInvalidArgument) return corrupt(op.src, link, pulled.message());
  if (!pulled.ok()) return pair_gone(local_, op.src, op.event);
  if (head.is_timed()) rings_[op.src].note_time(op.copy_ns);
  return rings_[op.src].take(link.fabric(), 1);
}

/// By two threads where the sender's core is free, this rank has no copy threads of its own, and the fabric can map.
Status Receiver::pull_region(const LinkRef& link, Area area, uint64_t offset, std::span<std::byte> into,
                             bool is_core_free) {
  const bool is_shared = is_core_free && into.size() >= kHelpedBytesMin && local_.config().num_copy_threads == 1;
  const std::byte* from = is_shared ? link.fabric().map(area, offset, into.size()) : nullptr;
  if (!from) return puller_.pull(link, area, offset, into, Deadline::max());
  if (helper_.read(link, MappedSource{from, puller_.path_of(into.size())}, into)) return {};
  return {Code::kPeerDead, "the link ended during a copy"};
}

Status Receiver::take_offer(ReceiveOp& op, const LinkRef& link, const RingBody& body) {
  RingReader& ring = rings_[op.src];
  const PullTerms& terms = link.target().pull;
  if (terms.reader.pid == 0) return corrupt(op.src, link, "an offer, though this rank cannot read its memory");
  SWITCHYARD_RETURN_IF_ERROR(check_wanted(op, body.event, body.offer.num_bytes));
  const RingHead head{body.head};
  const Offer offer{body.offer.address, ring.next_chunk(), ring.slot_idx(), head.is_core_free()};
  op.total = body.offer.num_bytes;
  OfferEnd end{};
  {
    const CopyTimer timer(op.scope, head.is_timed() ? &op.copy_ns : nullptr);
    end = offer_reader_.read(link, offer, {op.into, op.total});
  }
  if (!link.is_live()) return pair_gone(local_, op.src, op.event);
  if (end == OfferEnd::kUnreadable)
    return corrupt(op.src, link, "an offer of " + std::to_string(op.total) + " bytes that are not in its memory");
  if (end == OfferEnd::kGone) return pair_error(Code::kPeerDead, op.src, op.event, "it is gone");
  if (end == OfferEnd::kRetracted) return take_end(op, link);
  op.num_received = op.total;
  if (head.is_timed()) ring.note_time(op.copy_ns);
  return ring.take(link.fabric(), 1);
}

Status Receiver::take_end(ReceiveOp& op, const LinkRef& link) {
  SWITCHYARD_RETURN_IF_ERROR(rings_[op.src].take(link.fabric(), 1));
  op.is_begun = false;
  return pair_error(
      Code::kTimeout, op.src, op.event,
      "the sender gave up after " + std::to_string(op.num_received) + " of " + std::to_string(op.total) + " bytes");
}

/// One more field of a message whose receive was given up.
Status Receiver::drop_field(const LinkRef& link, uint32_t src, const RingBody& body) {
  RingReader& ring = rings_[src];
  const RingHead head{body.head};
  if (head.kind() == RingKind::kGivenUp) {
    ring.is_dropping = false;
  } else if (head.kind() == RingKind::kChunk &&
             is_next_chunk(body, ring.slot_bytes(), ring.drop_total, ring.num_dropped)) {
    ring.num_dropped += head.value();
    ring.is_dropping = ring.num_dropped != ring.drop_total;
  } else {
    return corrupt(src, link, "a field that does not go on after byte " + std::to_string(ring.num_dropped));
  }
  return ring.take(link.fabric(), ring.chunk_stride(head.wants_ack()));
}

/// The caller's memory is his again: the rest of a message that is partly through will be dropped.
void Receiver::give_up(const ReceiveOp& op) {
  if (!op.is_begun || op.num_received == op.total) return;
  RingReader& ring = rings_[op.src];
  ring.is_dropping = true;
  ring.drop_total = op.total;
  ring.num_dropped = op.num_received;
}

Status Receiver::corrupt(uint32_t src, const LinkRef& link, const std::string& text) {
  local_.report_corrupt(src, link.serial(), text);
  return {Code::kCorrupt, "rank " + std::to_string(src) + ": " + text};
}

// ---- Queued operations ----

Status Receiver::prepare(uint32_t src) {
  LinkRef link;
  SWITCHYARD_RETURN_IF_ERROR(open(src, &link));
  advance_queue(src, link);
  return {};
}

void Receiver::submit(AsyncOp& op) {
  const uint32_t src = op.receive.src;
  Queue& queue = queues_[src];
  if (queue.waiting.is_empty()) queue.serial = rings_[src].serial();
  table_.append(queue.waiting, table_.idx_of(op));
  active_ranks_ |= uint64_t{1} << src;
  advance_rank(src);
}

void Receiver::advance_queues() {
  for (uint64_t left = active_ranks_; left != 0; left &= left - 1)
    advance_rank(static_cast<uint32_t>(std::countr_zero(left)));
}

void Receiver::advance_rank(uint32_t src) {
  const LinkRef link = local_.peers().acquire(src, SoleUser::kReceiver);
  advance_queue(src, link);
}

/// Without a link, or with another one than the operations were queued on, all of them fail.
void Receiver::advance_queue(uint32_t src, const LinkRef& link) {
  OpList& waiting = queues_[src].waiting;
  if (waiting.is_empty()) return;
  const bool is_same_link = link && link.serial() == queues_[src].serial;
  while (!waiting.is_empty()) {
    AsyncOp& op = table_.at(waiting.front());
    Status fault;
    if (is_same_link && !advance(op.receive, link, &fault)) break;
    if (!is_same_link) fault = pair_gone(local_, src, op.receive.event);
    table_.finish(table_.pop(waiting), std::move(fault));
  }
  if (waiting.is_empty()) active_ranks_ &= ~(uint64_t{1} << src);
}

void Receiver::withdraw(AsyncOp& op) {
  const uint32_t src = op.receive.src;
  table_.remove(queues_[src].waiting, table_.idx_of(op));
  if (rings_[src].serial() == queues_[src].serial) give_up(op.receive);
  if (queues_[src].waiting.is_empty()) active_ranks_ &= ~(uint64_t{1} << src);
}

}  // namespace switchyard::xccl
