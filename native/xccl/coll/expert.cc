#include "xccl/coll/expert.h"

#include <algorithm>
#include <bit>
#include <utility>

#include "xccl/link/event_text.h"
#include "xccl/telemetry/scope.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

/// Counters are written by the endpoint's thread alone and read by any.
void count(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

Expert::Expert(LocalRank& local)
    : local_(local),
      roles_(local.config().exchange_plan),
      forwarder_(local),
      gates_{BarrierGate(local.config().exchange_plan), BarrierGate(local.config().exchange_plan)} {
  ready_.reserve(kNumRanksMax * kNumMicroBatches);
}

// ---- Arrivals ----

Status Expert::wait_any(Deadline deadline, std::vector<A2eView>* out) {
  return count_call(local_.recorder(), {Primitive::kA2eTake},
                    [&](CallScope* scope) { return take_ready(deadline, out, scope); });
}

Status Expert::take_ready(Deadline deadline, std::vector<A2eView>* out, CallScope* scope) {
  const auto check = [&]() -> uint32_t { return local_.is_closing() ? 0 : poll(); };
  bool is_done = false;
  {
    const PartTimer timer(scope, CallPart::kWait);
    is_done = wait_on(local_.waiter(bell_of(Bell::kA2e)), deadline, check, [this] { local_.progress(); });
  }
  local_.progress();
  if (ready_.empty()) {
    return is_done ? Status(Code::kClosed, "the communicator is closed")
                   : Status(Code::kTimeout, "no A2E before the deadline");
  }
  const bool is_single = ready_.size() == 1;
  for (const Ready& ready : ready_) {
    out->push_back(view_of(ready.sender, slot_of(ready.sender, ready.micro_batch)));
    if (!scope) continue;
    scope->add_bytes(ready.sender, uint64_t{out->back().num_rows} * out->back().row_bytes);
    if (is_single) scope->name(ready.sender, out->back().event);
  }
  ready_.clear();
  return {};
}

void Expert::forward() {
  if (roles_.is_trampoline() && !local_.is_closing()) poll();
}

/// One look at everything: 0 when something can be delivered, else 1.
uint32_t Expert::poll() {
  if (roles_.is_barrier()) {
    watch_.look(local_.peers(), roles_.attention_mask() | roles_.expert_mask());
    // Who was replaced fails what was held for the former epoch, not what arrives now.
    pass_gates(watch_.gone());
    for (BarrierGate& gate : gates_) gate.forget(watch_.gone());
  }
  take_arrivals();
  if (roles_.is_barrier()) pass_gates(watch_.dead());
  if (roles_.is_trampoline()) {
    forwarder_.progress();
    for (uint32_t m = 0; m < kNumMicroBatches; ++m) (void)end_bundle(m);
  }
  return ready_.empty() ? 1 : 0;
}

void Expert::take_arrivals() {
  for (uint32_t rank = 0; rank < local_.config().max_ranks; ++rank) {
    const uint64_t serial = local_.peers().entry(rank).live_serial.load(std::memory_order_seq_cst);
    if (serial == 0) continue;
    for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
      const uint64_t seq = local_.fixed().pairs[rank].a2e[m].seq.load(std::memory_order_seq_cst);
      // Nearly always nothing new: decided without taking a ref. (A zero is also what a link that is being reset shows.)
      const Sender* known = senders_[rank].get();
      if (seq == 0 || (known && known->serial == serial && known->slots[m]->num_taken == seq)) continue;
      take_slot(rank, m, local_.peers().acquire(rank, SoleUser::kExpert));
    }
  }
}

void Expert::take_slot(uint32_t sender, uint32_t micro_batch, LinkRef link) {
  if (!link) return;
  Slot& slot = *sender_of(sender, link).slots[micro_batch];
  if (slot.link) return;
  // Again under the ref: now the slot cannot be reset for another epoch.
  const uint64_t seq = local_.fixed().pairs[sender].a2e[micro_batch].seq.load(std::memory_order_seq_cst);
  if (seq == slot.num_taken) return;
  if (seq != slot.num_taken + 1) {
    local_.report_corrupt(
        sender, link.serial(),
        "A2E sequence number " + std::to_string(seq) + " instead of " + std::to_string(slot.num_taken + 1));
    slot.num_taken = seq;
    return;
  }
  slot.num_taken = seq;
  count(num_received_);
  const uint64_t sender_epoch = link.target().epoch;
  slot.link = std::move(link);
  slot.is_part_done = false;
  Refusal refusal{Code::kCorrupt, {RefusalReason::kMalformed, local_.config().rank, {}}};
  if (slot.message.read(local_, sender, sender_epoch, micro_batch)) {
    const A2eSlotHeader& header = slot.message.header();
    refusal = check_message(header, sender);
    if (refusal.code == Code::kOk) return admit(sender, micro_batch, slot);
    const bool is_awaited = roles_.is_barrier() && has_rank(roles_.attention_mask(), header.origin_rank) &&
                            sender_for(header.origin_rank) == sender;
    if (is_awaited) gates_[micro_batch].pass_over(header.origin_rank, slot.message.event());
  }
  if (refusal.code == Code::kCorrupt) num_corrupt_.fetch_add(1, std::memory_order_relaxed);
  // The sender may be gone; it has nothing to lose then.
  (void)answer(sender, slot, refusal);
}

Expert::Sender& Expert::sender_of(uint32_t rank, const LinkRef& link) {
  std::unique_ptr<Sender>& sender = senders_[rank];
  if (sender && sender->serial == link.serial()) return *sender;
  // First message of a link: the only place that allocates.
  sender = std::make_unique<Sender>();
  sender->serial = link.serial();
  const CtrlLayout& layout = link.target().layout;
  for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
    sender->slots[m] = std::make_unique<Slot>(local_.layout().exchange());
    sender->slots[m]->answer =
        SlotWriter(link.fabric(), layout.e2a_slot(local_.config().rank, m), layout.exchange_layout().e2a_bytes());
    // A forwarder's expert half waits for it, an attention rank's attention half.
    const bool is_forwarded = roles_.is_trampoline() && roles_.forwards_for(local_.config().rank) != rank;
    sender->slots[m]->answer_field = FieldWriter(link.fabric(), CtrlLayout::e2a_field(local_.config().rank, m),
                                                 CtrlLayout::bell(is_forwarded ? bell_of(Bell::kA2e) : bell_of_e2a(m)));
  }
  return *sender;
}

// ---- What is taken ----

/// Whether this rank can serve a message whose sizes are right.
Refusal Expert::check_message(const A2eSlotHeader& header, uint32_t sender) const {
  const uint32_t own_rank = local_.config().rank;
  if (!is_expected_kind(header, sender)) return {Code::kMismatch, {RefusalReason::kMode, own_rank, {}}};
  if (!has_rank(header.active_mask, header.origin_rank))
    return {Code::kCorrupt, {RefusalReason::kMask, header.origin_rank, {}}};
  if (!has_rank(header.active_mask, own_rank)) return {Code::kMismatch, {RefusalReason::kMask, own_rank, {}}};
  const uint64_t current = placement_.load(std::memory_order_relaxed);
  const uint64_t next = next_placement_.load(std::memory_order_relaxed);
  const bool is_served = current == 0 || header.placement_version == current || header.placement_version == next;
  if (!is_served) return {Code::kMismatch, {RefusalReason::kPlacement, own_rank, {current, next}}};
  return {};
}

bool Expert::is_expected_kind(const A2eSlotHeader& header, uint32_t sender) const {
  if (!roles_.is_trampoline())
    return header.kind == MessageKind::kDirect &&
           (roles_.attention_mask() == 0 || has_rank(roles_.attention_mask(), sender));
  if (header.kind == MessageKind::kBundle) return roles_.forwards_for(local_.config().rank) == sender;
  return header.kind == MessageKind::kForwarded && roles_.forwarder_of(header.origin_rank) == sender;
}

/// Makes the part for this rank ready, or holds it at the gate.
void Expert::admit(uint32_t sender, uint32_t micro_batch, Slot& slot) {
  if (slot.message.is_bundle()) {
    begin_bundle(slot);
    if (slot.is_part_done) return;
  } else {
    slot.part = slot.message.parts()[0];
  }
  if (roles_.is_barrier()) {
    const A2eSlotHeader& header = slot.message.header();
    gates_[micro_batch].hold(header.origin_rank, slot.message.event(), header.active_mask,
                             std::chrono::steady_clock::now());
  } else {
    ready_.push_back({sender, micro_batch});
  }
}

/// The forwarder takes the parts of others; this rank's pairs name the bundle's rows from now on.
void Expert::begin_bundle(Slot& slot) {
  forwarder_.begin(slot.message, slot.answer);
  slot.is_part_done = true;
  for (PartLists& part : slot.message.parts()) {
    if (part.rank != local_.config().rank) continue;
    for (uint32_t& row : part.pairs) row = part.refs[row];
    slot.part = part;
    slot.is_part_done = false;
  }
}

// ---- The barrier ----

void Expert::pass_gates(uint64_t gone_mask) {
  for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
    if (gates_[m].held() == 0) continue;
    drop_orphans(m);
    pass_gate(m, gone_mask);
  }
}

/// What is held for an attention rank that is gone, or came from a forwarder that is: it would keep the link from being replaced.
void Expert::drop_orphans(uint32_t micro_batch) {
  for (uint64_t left = gates_[micro_batch].held(); left != 0; left &= left - 1) {
    const auto rank = static_cast<uint32_t>(std::countr_zero(left));
    const uint32_t sender = sender_for(rank);
    Slot& slot = slot_of(sender, micro_batch);
    if (slot.link.is_live() && !watch_.is_over(rank, slot.message.header().origin_epoch)) continue;
    gates_[micro_batch].drop(rank);
    (void)end_part(sender, slot, {Code::kPeerDead, {RefusalReason::kDead, rank, {}}});
  }
}

void Expert::pass_gate(uint32_t micro_batch, uint64_t gone_mask) {
  BarrierGate& gate = gates_[micro_batch];
  while (gate.held() != 0) {
    const BarrierGate::Decision decision = gate.next(gone_mask, std::chrono::steady_clock::now());
    if (decision.verdict == BarrierGate::Verdict::kHold) return;
    for (uint64_t left = decision.ranks; left != 0; left &= left - 1) {
      const uint32_t sender = sender_for(static_cast<uint32_t>(std::countr_zero(left)));
      leave_gate(sender, slot_of(sender, micro_batch), decision);
    }
  }
}

/// An empty header has served its purpose now; it is not delivered.
void Expert::leave_gate(uint32_t sender, Slot& slot, const BarrierGate::Decision& decision) {
  const uint32_t micro_batch = slot.message.event().micro_batch;
  if (decision.verdict == BarrierGate::Verdict::kBreak) {
    const RefusalReason reason = decision.has_other_mask ? RefusalReason::kMask : RefusalReason::kBarrier;
    (void)end_part(sender, slot, {decision.code, {reason, decision.blamed_rank, {}}});
  } else if (slot.part.pairs.empty()) {
    (void)end_part(sender, slot, {});
  } else {
    ready_.push_back({sender, micro_batch});
  }
}

/// The rank whose slot here carries the rows of an attention rank.
uint32_t Expert::sender_for(uint32_t attention_rank) const {
  const uint32_t forwarder = roles_.forwarder_of(attention_rank);
  return forwarder == kNoRank || forwarder == local_.config().rank ? attention_rank : forwarder;
}

// ---- Views ----

A2eView Expert::view_of(uint32_t sender, const Slot& slot) const {
  const A2eSlotHeader& header = slot.message.header();
  A2eView view;
  view.rank = header.origin_rank;
  view.rank_epoch = header.origin_epoch;
  view.sender = sender;
  view.event = slot.message.event();
  view.placement_version = header.placement_version;
  view.active_mask = header.active_mask;
  view.num_rows = slot.message.num_rows();
  view.row_bytes = header.row_bytes;
  view.expert_counts = slot.part.counts;
  view.pair_rows = slot.part.pairs;
  view.rows = slot.message.rows();
  view.traces = {header.traces, header.num_traces};
  return view;
}

/// The slot of a view that has not been ended, else null.
Expert::Slot* Expert::open_slot(const A2eView& view) {
  if (view.sender >= kNumRanksMax || view.event.micro_batch >= kNumMicroBatches || !senders_[view.sender])
    return nullptr;
  Slot& slot = slot_of(view.sender, view.event.micro_batch);
  const bool is_open = slot.link && !slot.is_part_done && slot.message.event() == view.event &&
                       slot.message.header().origin_epoch == view.rank_epoch;
  return is_open ? &slot : nullptr;
}

// ---- Answers ----

Status Expert::check_live(uint32_t sender, const Slot& slot) const {
  if (slot.link.is_live()) return {};
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  return local_.explain_unlinked(sender);
}

Status Expert::reply(const A2eView& view, const std::byte* rows) {
  Slot* slot = open_slot(view);
  if (!slot) return {Code::kInvalidArgument, "reply to an A2E that is not open: " + event_text(view.event)};
  const uint64_t num_bytes = slot->part.pairs.size() * uint64_t{slot->message.header().row_bytes};
  return count_call(local_.recorder(), {Primitive::kE2aReply, view.sender, view.event}, [&](CallScope* scope) {
    if (scope) scope->set_bytes(num_bytes);
    return write_answer(view.sender, *slot, {rows, num_bytes}, scope);
  });
}

Status Expert::write_answer(uint32_t sender, Slot& slot, std::span<const std::byte> rows, CallScope* scope) {
  Status status = check_live(sender, slot);
  if (status.ok()) {
    const PartTimer timer(scope, CallPart::kCopy);
    status = slot.answer.write(uint64_t{slot.part.pair_base} * slot.message.header().row_bytes, rows);
  }
  const Status ended = end_part(sender, slot, {});
  return status.ok() ? ended : status;
}

Status Expert::reply_row(const A2eView& view, uint32_t pair_idx, const std::byte* row) {
  Slot* slot = open_slot(view);
  if (!slot || pair_idx >= slot->part.pairs.size()) {
    return {Code::kInvalidArgument,
            "row " + std::to_string(pair_idx) + " of an A2E that is not open or has fewer: " + event_text(view.event)};
  }
  SWITCHYARD_RETURN_IF_ERROR(check_live(view.sender, *slot));
  const uint64_t row_bytes = slot->message.header().row_bytes;
  return slot->answer.write((uint64_t{slot->part.pair_base} + pair_idx) * row_bytes, {row, row_bytes});
}

Status Expert::finish(const A2eView& view) {
  Slot* slot = open_slot(view);
  if (!slot) return {Code::kInvalidArgument, "finish of an A2E that is not open: " + event_text(view.event)};
  const uint64_t num_bytes = slot->part.pairs.size() * uint64_t{slot->message.header().row_bytes};
  return count_call(local_.recorder(), {Primitive::kE2aReply, view.sender, view.event}, [&](CallScope* scope) {
    if (scope) scope->set_bytes(num_bytes);
    return end_part(view.sender, *slot, {});
  });
}

Status Expert::fail(const A2eView& view, Code code) {
  if (code == Code::kOk) return {Code::kInvalidArgument, "fail() needs an error code"};
  Slot* slot = open_slot(view);
  if (!slot) return {Code::kInvalidArgument, "fail of an A2E that is not open: " + event_text(view.event)};
  return end_part(view.sender, *slot, {code, {RefusalReason::kByCaller, local_.config().rank, {}}});
}

/// This rank's part is done: the answer of a bundle may have to wait for those of other ranks.
Status Expert::end_part(uint32_t sender, Slot& slot, const Refusal& refusal) {
  slot.is_part_done = true;
  if (!slot.message.is_bundle()) return answer(sender, slot, refusal);
  const uint32_t micro_batch = slot.message.event().micro_batch;
  if (refusal.code != Code::kOk) forwarder_.set_refusal(micro_batch, refusal);
  const Status status = check_live(sender, slot);
  const Status ended = end_bundle(micro_batch);
  return status.ok() ? ended : status;
}

/// Answers a bundle once all its parts are done, or lets it go when its attention rank is dead.
Status Expert::end_bundle(uint32_t micro_batch) {
  if (!forwarder_.is_active(micro_batch)) return {};
  const uint32_t sender = roles_.forwards_for(local_.config().rank);
  Slot& slot = slot_of(sender, micro_batch);
  const bool is_over = slot.is_part_done && (forwarder_.is_settled(micro_batch) || !slot.link.is_live());
  if (!is_over) return {};
  const Refusal refusal = forwarder_.refusal(micro_batch);
  forwarder_.end(micro_batch);
  return answer(sender, slot, refusal);
}

/// Signals the answer and closes the slot in every case.
Status Expert::answer(uint32_t sender, Slot& slot, const Refusal& refusal) {
  const LinkRef link = std::move(slot.link);
  if (!link.is_live())
    return local_.is_closing() ? Status(Code::kClosed, "the communicator is closed") : local_.explain_unlinked(sender);
  if (refusal.code != Code::kOk)
    SWITCHYARD_RETURN_IF_ERROR(slot.answer.write(0, std::as_bytes(std::span(&refusal.detail, 1))));
  const EventId& event = slot.message.event();
  count(num_sent_);
  const PairFieldBody body{event.step,
                           event.layer,
                           event.micro_batch,
                           Direction::kE2a,
                           0,
                           slot.message.num_pairs(),
                           static_cast<uint32_t>(refusal.code)};
  return slot.answer_field.publish(body, slot.num_taken);
}

void Expert::set_placement(uint64_t version, uint64_t next_version) {
  next_placement_.store(next_version, std::memory_order_relaxed);
  placement_.store(version, std::memory_order_relaxed);
}

ExchangeCounters Expert::counters() const {
  const ExchangeCounters forwarded = forwarder_.counters();
  return {num_sent_.load(std::memory_order_relaxed) + forwarded.num_sent,
          num_received_.load(std::memory_order_relaxed) + forwarded.num_received};
}

}  // namespace switchyard::xccl
