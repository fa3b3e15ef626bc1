#include "xccl/coll/expert.h"

#include <algorithm>
#include <utility>

#include "xccl/coll/event_text.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {

// ---- Arrivals ----

Status Expert::wait_any(Deadline deadline, std::vector<A2eView>* out) {
  const auto check = [&]() -> uint32_t { return local_.is_closing() || take_arrivals(out) > 0 ? 0 : 1; };
  const size_t num_before = out->size();
  const bool is_done = wait_on(local_.waiter(bell_of(Bell::kA2e)), deadline, check, [this] { local_.progress(); });
  local_.progress();
  if (out->size() > num_before) return {};
  return is_done ? Status(Code::kClosed, "the communicator is closed")
                 : Status(Code::kTimeout, "no A2E before the deadline");
}

size_t Expert::take_arrivals(std::vector<A2eView>* out) {
  const size_t num_before = out->size();
  for (uint32_t rank = 0; rank < local_.config().max_ranks; ++rank) {
    const uint64_t serial = local_.peers().entry(rank).live_serial.load(std::memory_order_seq_cst);
    if (serial == 0) continue;
    for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
      const uint64_t seq = local_.fixed().pairs[rank].a2e[m].seq.load(std::memory_order_seq_cst);
      // Nearly always nothing new: decided without taking a ref. (A zero is also what a link that is being reset shows.)
      const Sender* known = senders_[rank].get();
      if (seq == 0 || (known && known->serial == serial && known->slots[m].num_taken == seq)) continue;
      take_slot(rank, m, local_.peers().acquire(rank), out);
    }
  }
  return out->size() - num_before;
}

/// True when a view was appended.
bool Expert::take_slot(uint32_t rank, uint32_t micro_batch, LinkRef link, std::vector<A2eView>* out) {
  if (!link) return false;
  Slot& slot = sender_of(rank, link.serial()).slots[micro_batch];
  if (slot.link) return false;
  // Again under the ref: now the slot cannot be reset for another epoch.
  const uint64_t seq = local_.fixed().pairs[rank].a2e[micro_batch].seq.load(std::memory_order_seq_cst);
  if (seq == slot.num_taken) return false;
  if (seq != slot.num_taken + 1) {
    local_.report_corrupt(
        rank, link.serial(),
        "A2E sequence number " + std::to_string(seq) + " instead of " + std::to_string(slot.num_taken + 1));
    slot.num_taken = seq;
    return false;
  }
  slot.num_taken = seq;
  slot.link = std::move(link);
  if (read_slot(rank, micro_batch, slot)) {
    out->push_back(view_of(rank, micro_batch, slot));
    return true;
  }
  num_corrupt_.fetch_add(1, std::memory_order_relaxed);
  // The sender may be gone; it has nothing to lose then.
  (void)answer(rank, micro_batch, slot, Code::kCorrupt);
  return false;
}

Expert::Sender& Expert::sender_of(uint32_t rank, uint64_t serial) {
  std::unique_ptr<Sender>& sender = senders_[rank];
  if (sender && sender->serial == serial) return *sender;
  // First message of a link: the only place that allocates.
  sender = std::make_unique<Sender>();
  sender->serial = serial;
  for (Slot& slot : sender->slots) {
    slot.counts.resize(local_.layout().exchange().max_local_experts);
    slot.pairs.resize(local_.layout().exchange().max_pairs());
  }
  return *sender;
}

bool Expert::read_slot(uint32_t rank, uint32_t micro_batch, Slot& slot) {
  const CtrlLayout& layout = local_.layout();
  const std::byte* base = local_.ctrl().data() + layout.a2e_slot(rank, micro_batch);
  copy_once(&slot.body, &local_.fixed().pairs[rank].a2e[micro_batch].body, sizeof(slot.body));
  slot.event = {slot.body.step, slot.body.layer, static_cast<uint8_t>(micro_batch)};
  if (!check_body(micro_batch, slot.body)) return false;
  copy_once(&slot.header, base, sizeof(slot.header));
  if (!check_header(rank, slot)) return false;
  copy_once(slot.counts.data(), base + layout.counts_offset(), 4ull * slot.body.detail);
  copy_once(slot.pairs.data(), base + layout.pairs_offset(), 4ull * slot.body.num_pairs);
  return check_pairs(slot);
}

bool Expert::check_body(uint32_t micro_batch, const PairFieldBody& body) const {
  const ExchangeShape& shape = local_.layout().exchange();
  return body.direction == Direction::kA2e && body.micro_batch == micro_batch && body.num_rows <= shape.max_tokens &&
         body.num_pairs <= shape.max_pairs() && body.detail <= shape.max_local_experts;
}

bool Expert::check_header(uint32_t rank, const Slot& slot) const {
  const A2eSlotHeader& header = slot.header;
  return header.sender_rank == rank && header.sender_epoch == slot.link.target().epoch && header.row_bytes > 0 &&
         header.row_bytes <= local_.layout().exchange().row_bytes && header.num_traces <= kNumTracesMax;
}

bool Expert::check_pairs(const Slot& slot) {
  uint64_t sum = 0;
  for (uint32_t i = 0; i < slot.body.detail; ++i) sum += slot.counts[i];
  if (sum != slot.body.num_pairs) return false;
  return std::all_of(slot.pairs.begin(), slot.pairs.begin() + slot.body.num_pairs,
                     [&](uint32_t row) { return row < slot.body.num_rows; });
}

A2eView Expert::view_of(uint32_t rank, uint32_t micro_batch, const Slot& slot) const {
  A2eView view;
  view.rank = rank;
  view.rank_epoch = slot.header.sender_epoch;
  view.event = slot.event;
  view.placement_version = slot.header.placement_version;
  view.active_mask = slot.header.active_mask;
  view.num_rows = slot.body.num_rows;
  view.row_bytes = slot.header.row_bytes;
  view.expert_counts = {slot.counts.data(), slot.body.detail};
  view.pair_rows = {slot.pairs.data(), slot.body.num_pairs};
  view.rows = local_.ctrl().data() + local_.layout().a2e_slot(rank, micro_batch) + local_.layout().rows_offset();
  view.traces = {slot.header.traces, slot.header.num_traces};
  return view;
}

// ---- Answers ----

/// The slot of a view that has not been ended, else null.
Expert::Slot* Expert::open_slot(const A2eView& view) {
  if (view.rank >= kNumRanksMax || view.event.micro_batch >= kNumMicroBatches || !senders_[view.rank]) return nullptr;
  Slot& slot = senders_[view.rank]->slots[view.event.micro_batch];
  return slot.link && slot.event == view.event && slot.header.sender_epoch == view.rank_epoch ? &slot : nullptr;
}

Status Expert::check_live(uint32_t rank, const Slot& slot) const {
  if (slot.link.is_live()) return {};
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  return local_.explain_unlinked(rank);
}

Status Expert::reply(const A2eView& view, const std::byte* rows) {
  Slot* slot = open_slot(view);
  if (!slot) return {Code::kInvalidArgument, "reply to an A2E that is not open: " + event_text(view.event)};
  const uint64_t num_bytes = uint64_t{slot->body.num_pairs} * slot->header.row_bytes;
  const uint64_t to = local_.layout().e2a_slot(local_.config().rank, view.event.micro_batch);
  Status status = check_live(view.rank, *slot);
  if (status.ok()) status = slot->link.fabric().put(Area::kCtrl, to, {rows, num_bytes});
  if (status.ok()) return answer(view.rank, view.event.micro_batch, *slot, Code::kOk);
  slot->link.release();
  return status;
}

Status Expert::reply_row(const A2eView& view, uint32_t pair_idx, const std::byte* row) {
  Slot* slot = open_slot(view);
  if (!slot || pair_idx >= slot->body.num_pairs) {
    return {Code::kInvalidArgument,
            "row " + std::to_string(pair_idx) + " of an A2E that is not open or has fewer: " + event_text(view.event)};
  }
  SWITCHYARD_RETURN_IF_ERROR(check_live(view.rank, *slot));
  const uint64_t row_bytes = slot->header.row_bytes;
  const uint64_t to = local_.layout().e2a_slot(local_.config().rank, view.event.micro_batch) + pair_idx * row_bytes;
  return slot->link.fabric().put(Area::kCtrl, to, {row, row_bytes});
}

Status Expert::finish(const A2eView& view) {
  Slot* slot = open_slot(view);
  if (!slot) return {Code::kInvalidArgument, "finish of an A2E that is not open: " + event_text(view.event)};
  return answer(view.rank, view.event.micro_batch, *slot, Code::kOk);
}

Status Expert::fail(const A2eView& view, Code code) {
  if (code == Code::kOk) return {Code::kInvalidArgument, "fail() needs an error code"};
  Slot* slot = open_slot(view);
  if (!slot) return {Code::kInvalidArgument, "fail of an A2E that is not open: " + event_text(view.event)};
  return answer(view.rank, view.event.micro_batch, *slot, code);
}

/// Signals the answer and closes the slot in every case.
Status Expert::answer(uint32_t rank, uint32_t micro_batch, Slot& slot, Code code) {
  const LinkRef link = std::move(slot.link);
  if (!link.is_live())
    return local_.is_closing() ? Status(Code::kClosed, "the communicator is closed") : local_.explain_unlinked(rank);
  PairFieldBody body{};
  body.step = slot.event.step;
  body.layer = slot.event.layer;
  body.micro_batch = slot.event.micro_batch;
  body.direction = Direction::kE2a;
  body.num_pairs = slot.body.num_pairs;
  body.detail = static_cast<uint32_t>(code);
  const uint64_t field = CtrlLayout::e2a_field(local_.config().rank, micro_batch);
  const Signal signal{field + offsetof(PairField, seq), slot.num_taken, CtrlLayout::bell(bell_of_e2a(micro_batch))};
  return link.fabric().put_with_signal(field + offsetof(PairField, body), std::as_bytes(std::span(&body, 1)), signal);
}

}  // namespace switchyard::xccl
