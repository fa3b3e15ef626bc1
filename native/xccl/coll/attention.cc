#include "xccl/coll/attention.h"

#include <numeric>

#include "xccl/coll/event_text.h"
#include "xccl/link/op_timer.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "A2E message: " + text}; }

bool is_code(uint32_t value) { return value <= static_cast<uint32_t>(Code::kInternal); }

}  // namespace

// ---- send ----

Status Attention::send(uint32_t dest, const A2eMessage& message, Deadline deadline, OpTiming* timing) {
  const OpTimer timer(timing);
  SWITCHYARD_RETURN_IF_ERROR(check_message(dest, message));
  const LinkRef link = local_.peers().acquire(dest);
  if (!link) return gone(dest, message.event);
  SWITCHYARD_RETURN_IF_ERROR(follow_link(dest, link, message.event));
  SWITCHYARD_RETURN_IF_ERROR(drain(dest, link, message.event, deadline));
  SWITCHYARD_RETURN_IF_ERROR(write_slot(link.fabric(), message));
  return publish(dest, link.fabric(), message);
}

Status Attention::check_message(uint32_t dest, const A2eMessage& message) const {
  const ExchangeShape& shape = local_.layout().exchange();
  if (dest >= local_.config().max_ranks)
    return invalid("destination " + std::to_string(dest) + " is not below max_ranks");
  if (message.event.micro_batch >= kNumMicroBatches) return invalid("micro_batch must be 0 or 1");
  if (message.row_index.size() > shape.max_tokens) return invalid("more than max_tokens rows");
  if (message.pair_rows.size() > shape.max_pairs()) return invalid("more than max_tokens * top_k pairs");
  if (message.expert_counts.size() > shape.max_local_experts) return invalid("more than max_local_experts counts");
  if (message.row_bytes == 0 || message.row_bytes > shape.row_bytes)
    return invalid("row_bytes must be 1 to the shape's");
  if (message.traces.size() > kNumTracesMax) return invalid("more than 4 traces");
  const uint64_t sum = std::accumulate(message.expert_counts.begin(), message.expert_counts.end(), uint64_t{0});
  if (sum != message.pair_rows.size())
    return invalid("expert_counts sum to " + std::to_string(sum) + " instead of the number of pairs");
  for (const uint32_t row : message.pair_rows) {
    if (row >= message.row_index.size()) return invalid("a pair names row " + std::to_string(row) + ", past the last");
  }
  return {};
}

/// A new link begins with fresh slots on both sides.
Status Attention::follow_link(uint32_t dest, const LinkRef& link, const EventId& event) {
  if (!link.target().layout.has_exchange())
    return rank_error(Code::kUnsupported, dest, event, "the rank has no exchange slots");
  if (dests_[dest].serial != link.serial()) dests_[dest] = Dest{link.serial(), {}};
  return {};
}

/// The slot's last exchange must have ended before it is used again: then the expert reads the A2E slot no more and writes
/// the E2A slot no more. An older event's late answer is dropped here.
Status Attention::drain(uint32_t dest, const LinkRef& link, const EventId& next, Deadline deadline) {
  Slot& slot = dests_[dest].slots[next.micro_batch];
  if (slot.state != SlotState::kSent) return {};
  if (slot.event == next) return invalid(event_text(next) + " was sent already");
  Status fault;
  const auto check = [&]() -> uint32_t {
    bool is_missing = false;
    const Status status = take_answer(dest, link, slot, &is_missing);
    // What the dropped answer says does not matter, only that the slot is free again.
    if (!is_missing && slot.state == SlotState::kSent) fault = status;
    return is_missing ? 1 : 0;
  };
  const bool is_done =
      wait_on(local_.waiter(bell_of_e2a(next.micro_batch)), deadline, check, [this] { local_.progress(); });
  if (!is_done) return rank_error(Code::kTimeout, dest, slot.event, "the abandoned exchange was not answered");
  return fault;
}

Status Attention::write_slot(Fabric& fabric, const A2eMessage& message) {
  const CtrlLayout& layout = local_.layout();
  const uint64_t base = layout.a2e_slot(local_.config().rank, message.event.micro_batch);
  A2eSlotHeader header{};
  header.sender_epoch = local_.config().epoch;
  header.sender_rank = local_.config().rank;
  header.row_bytes = message.row_bytes;
  header.placement_version = message.placement_version;
  header.active_mask = message.active_mask;
  header.num_traces = static_cast<uint32_t>(message.traces.size());
  std::copy(message.traces.begin(), message.traces.end(), header.traces);
  SWITCHYARD_RETURN_IF_ERROR(fabric.put(Area::kCtrl, base, std::as_bytes(std::span(&header, 1))));
  SWITCHYARD_RETURN_IF_ERROR(
      fabric.put(Area::kCtrl, base + layout.counts_offset(), std::as_bytes(message.expert_counts)));
  SWITCHYARD_RETURN_IF_ERROR(fabric.put(Area::kCtrl, base + layout.pairs_offset(), std::as_bytes(message.pair_rows)));
  uint64_t to = base + layout.rows_offset();
  for (const uint32_t row : message.row_index) {
    const std::byte* from = message.rows + uint64_t{row} * message.row_bytes;
    SWITCHYARD_RETURN_IF_ERROR(fabric.put(Area::kCtrl, to, {from, message.row_bytes}));
    to += message.row_bytes;
  }
  return {};
}

Status Attention::publish(uint32_t dest, Fabric& fabric, const A2eMessage& message) {
  const EventId& event = message.event;
  Slot& slot = dests_[dest].slots[event.micro_batch];
  PairFieldBody body{};
  body.step = event.step;
  body.layer = event.layer;
  body.micro_batch = event.micro_batch;
  body.direction = Direction::kA2e;
  body.num_rows = static_cast<uint32_t>(message.row_index.size());
  body.num_pairs = static_cast<uint32_t>(message.pair_rows.size());
  body.detail = static_cast<uint32_t>(message.expert_counts.size());
  // The slot's state first: from the signal on the answer may come.
  slot.num_sent += 1;
  slot.state = SlotState::kSent;
  slot.event = event;
  slot.num_pairs = body.num_pairs;
  slot.row_bytes = message.row_bytes;
  local_.peers().entry(dest).num_awaited.fetch_add(1, std::memory_order_relaxed);
  const uint64_t field = CtrlLayout::a2e_field(local_.config().rank, event.micro_batch);
  const Signal signal{field + offsetof(PairField, seq), slot.num_sent,
                      CtrlLayout::bell(static_cast<uint32_t>(Bell::kA2e))};
  return fabric.put_with_signal(field + offsetof(PairField, body), std::as_bytes(std::span(&body, 1)), signal);
}

// ---- wait ----

Status Attention::wait(const EventId& event, std::span<const uint32_t> dests, Deadline deadline, WaitReport* report) {
  WaitReport unused;
  WaitReport& out = report ? *report : unused;
  out = WaitReport{};
  const OpTimer timer(&out.timing);
  SWITCHYARD_RETURN_IF_ERROR(check_awaited(event, dests));
  uint32_t blamed_rank = kNumRanksMax;
  Status fault = pin(event, dests, &blamed_rank);
  const auto num_dests = static_cast<uint32_t>(dests.size());
  if (fault.ok()) {
    const auto check = [&] { return look(event, num_dests, &fault, &blamed_rank); };
    const auto on_wake = [&] {
      local_.progress();
      out.num_sleeps += 1;
    };
    const bool is_done = wait_on(local_.waiter(bell_of_e2a(event.micro_batch)), deadline, check, on_wake);
    if (!is_done) fault = rank_error(Code::kTimeout, blamed_rank, event, "no E2A before the deadline");
  }
  for (uint32_t i = 0; i < num_dests; ++i) awaited_[i].link.release();
  const bool is_ranks_fault = !fault.ok() && fault.code() != Code::kClosed && blamed_rank != kNumRanksMax;
  if (is_ranks_fault) out.failed_rank = static_cast<int32_t>(blamed_rank);
  return fault;
}

Status Attention::check_awaited(const EventId& event, std::span<const uint32_t> dests) const {
  if (event.micro_batch >= kNumMicroBatches) return {Code::kInvalidArgument, "E2A wait: micro_batch must be 0 or 1"};
  if (dests.size() > local_.config().max_ranks)
    return {Code::kInvalidArgument, "E2A wait: more destinations than ranks"};
  for (const uint32_t dest : dests) {
    const bool is_rank = dest < local_.config().max_ranks;
    const Slot* slot = is_rank ? &dests_[dest].slots[event.micro_batch] : nullptr;
    if (!slot || slot->state == SlotState::kFree || !(slot->event == event)) {
      return {Code::kInvalidArgument, "E2A wait: " + event_text(event) + " was not sent to " + rank_text(dest)};
    }
  }
  return {};
}

/// Holds all awaited links, so that no slot is reset under the wait.
Status Attention::pin(const EventId& event, std::span<const uint32_t> dests, uint32_t* failed_rank) {
  for (size_t i = 0; i < dests.size(); ++i) {
    awaited_[i].rank = dests[i];
    awaited_[i].link = local_.peers().acquire(dests[i]);
    if (awaited_[i].link && awaited_[i].link.serial() == dests_[dests[i]].serial) continue;
    *failed_rank = dests[i];
    return gone(dests[i], event);
  }
  return {};
}

/// One look at all awaited fields: the number still missing, or 0 with *fault set. *blamed_rank is the first missing rank.
uint32_t Attention::look(const EventId& event, uint32_t num_dests, Status* fault, uint32_t* blamed_rank) {
  uint32_t num_missing = 0;
  for (uint32_t i = 0; i < num_dests; ++i) {
    const Awaited& awaited = awaited_[i];
    bool is_missing = false;
    *fault = take_answer(awaited.rank, awaited.link, dests_[awaited.rank].slots[event.micro_batch], &is_missing);
    if ((is_missing && num_missing == 0) || !fault->ok()) *blamed_rank = awaited.rank;
    if (!fault->ok()) return 0;
    num_missing += is_missing;
  }
  return num_missing;
}

/// Takes the answer of one slot if it is there. Without a fault and with *is_missing false the slot is answered.
Status Attention::take_answer(uint32_t rank, const LinkRef& link, Slot& slot, bool* is_missing) {
  if (slot.state == SlotState::kAnswered) return {};
  PairField& field = answer_field(rank, slot.event.micro_batch);
  const uint64_t seq = field.seq.load(std::memory_order_seq_cst);
  if (seq == slot.num_sent) {
    PairFieldBody body;
    copy_once(&body, &field.body, sizeof(body));
    const Status status = check_answer(rank, slot, body);
    finish_slot(rank, slot, status.ok() ? SlotState::kAnswered : SlotState::kFree);
    return status;
  }
  if (!link.is_live()) return gone(rank, slot.event);
  if (seq + 1 == slot.num_sent) {
    *is_missing = true;
    return {};
  }
  const Status status =
      rank_error(Code::kCorrupt, rank, slot.event,
                 "E2A sequence number " + std::to_string(seq) + " instead of " + std::to_string(slot.num_sent));
  local_.report_corrupt(rank, link.serial(), status.message());
  return status;
}

Status Attention::check_answer(uint32_t rank, const Slot& slot, const PairFieldBody& body) const {
  if (body.direction != Direction::kE2a || !is_code(body.detail))
    return rank_error(Code::kCorrupt, rank, slot.event, "malformed E2A field");
  const EventId answered{body.step, body.layer, body.micro_batch};
  if (!(answered == slot.event))
    return rank_error(Code::kMismatch, rank, slot.event, "answered " + event_text(answered));
  const auto code = static_cast<Code>(body.detail);
  if (code != Code::kOk) return rank_error(code, rank, slot.event, "the expert rank refused the message");
  if (body.num_pairs == slot.num_pairs) return {};
  return rank_error(Code::kCorrupt, rank, slot.event,
                    "E2A of " + std::to_string(body.num_pairs) + " pairs instead of " + std::to_string(slot.num_pairs));
}

void Attention::finish_slot(uint32_t rank, Slot& slot, SlotState state) {
  slot.state = state;
  local_.peers().entry(rank).num_awaited.fetch_sub(1, std::memory_order_relaxed);
}

Status Attention::gone(uint32_t rank, const EventId& event) const {
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  const Status why = local_.explain_unlinked(rank);
  return {why.code(), event_text(event) + ": " + why.message()};
}

// ---- view ----

E2aView Attention::view(uint32_t dest, uint8_t micro_batch) const {
  if (dest >= local_.config().max_ranks || micro_batch >= kNumMicroBatches) return {};
  const Slot& slot = dests_[dest].slots[micro_batch];
  if (slot.state != SlotState::kAnswered) return {};
  const std::byte* rows = local_.ctrl().data() + local_.layout().e2a_slot(dest, micro_batch);
  return {rows, slot.num_pairs, slot.row_bytes};
}

}  // namespace switchyard::xccl
