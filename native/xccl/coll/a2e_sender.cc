#include "xccl/coll/a2e_sender.h"

#include "xccl/link/event_text.h"

namespace switchyard::xccl {
namespace {

bool is_code(uint32_t value) { return value <= static_cast<uint32_t>(Code::kInternal); }

/// Counters have one writer; an increment need not be one read-modify-write.
void count(std::atomic<uint64_t>& counter) {
  counter.store(counter.load(std::memory_order_relaxed) + 1, std::memory_order_relaxed);
}

}  // namespace

// ---- Sending ----

Status A2eSender::follow_link(uint32_t dest, const LinkRef& link) {
  Dest& to = dests_[dest];
  if (to.serial == link.serial()) return {};
  const CtrlLayout& layout = link.target().layout;
  if (!layout.has_exchange()) return {Code::kUnsupported, rank_text(dest) + " has no exchange slots"};
  to.serial = link.serial();
  for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
    Slot fresh;
    if (to.slots[m].state == SlotState::kSent) {
      fresh.state = SlotState::kLost;
      fresh.event = to.slots[m].event;
    }
    to.slots[m] = fresh;
    to.writers[m] =
        SlotWriter(link.fabric(), layout.a2e_slot(local_.config().rank, m), layout.exchange_layout().a2e_bytes());
    to.fields[m] = FieldWriter(link.fabric(), CtrlLayout::a2e_field(local_.config().rank, m),
                               CtrlLayout::bell(bell_of(Bell::kA2e)));
  }
  return {};
}

Status A2eSender::send(uint32_t dest, const Message& message) {
  Dest& to = dests_[dest];
  const SlotWriter& writer = to.writers[message.event.micro_batch];
  SWITCHYARD_RETURN_IF_ERROR(writer.write(0, head_.bytes()));
  SWITCHYARD_RETURN_IF_ERROR(writer.write_rows(rows_offset_, message.rows));
  return publish(to, dest, message);
}

Status A2eSender::publish(Dest& to, uint32_t dest, const Message& message) {
  const EventId& event = message.event;
  const size_t num_rows = message.rows.index.size();
  // The slot's state first: from the signal on the answer may come.
  Slot& slot = to.slots[event.micro_batch];
  slot.state = SlotState::kSent;
  slot.num_sent += 1;
  slot.event = event;
  slot.placement_version = message.placement_version;
  slot.num_pairs = message.num_pairs;
  slot.row_bytes = message.rows.row_bytes;
  slot.num_bytes = rows_offset_ + num_rows * slot.row_bytes;
  local_.peers().entry(dest).sole_user(user_).add_awaited(1);
  count(num_sent_);
  const PairFieldBody body{
      event.step,        event.layer,   event.micro_batch, Direction::kA2e, static_cast<uint32_t>(num_rows),
      message.num_pairs, message.detail};
  return to.fields[event.micro_batch].publish(body, slot.num_sent);
}

// ---- Answers ----

bool A2eSender::is_missing(uint32_t dest, uint32_t micro_batch) const {
  const Dest& to = dests_[dest];
  const Slot& slot = to.slots[micro_batch];
  if (slot.state != SlotState::kSent) return false;
  const uint64_t seq = answer_field(dest, micro_batch).seq.load(std::memory_order_seq_cst);
  return seq + 1 == slot.num_sent &&
         local_.peers().entry(dest).live_serial.load(std::memory_order_seq_cst) == to.serial;
}

void A2eSender::fetch_answer(uint32_t dest, uint32_t micro_batch) {
  Slot& slot = dests_[dest].slots[micro_batch];
  if (slot.state != SlotState::kSent) return;
  const PairField& field = answer_field(dest, micro_batch);
  if (slot.is_prompt) {
    prefetch_for_read(&field);
  } else {
    slot.is_prompt = field.seq.load(std::memory_order_relaxed) == slot.num_sent;
  }
  if (!slot.is_prompt) return;
  prefetch_range_for_read(rows(dest, micro_batch),
                          std::min(slot.num_pairs * uint64_t{slot.row_bytes}, kFetchedBytesMax));
}

Answer A2eSender::take(uint32_t dest, uint32_t micro_batch) {
  Slot& slot = dests_[dest].slots[micro_batch];
  if (slot.state == SlotState::kAnswered) return {.state = AnswerState::kComplete};
  if (slot.state == SlotState::kLost) {
    slot.state = SlotState::kFree;
    return {.state = AnswerState::kGone, .code = Code::kPeerDead};
  }
  if (is_missing(dest, micro_batch)) {
    slot.is_prompt = false;
    return {};
  }
  const Answer answer = take_published(dest, slot);
  slot.state = answer.is_fault() ? SlotState::kFree : SlotState::kAnswered;
  return answer;
}

/// Under a ref, so that the field is not reset for another epoch meanwhile, and the broker's count is this link's.
Answer A2eSender::take_published(uint32_t dest, Slot& slot) {
  const LinkRef link = local_.peers().acquire(dest, user_);
  if (!link || link.serial() != dests_[dest].serial) return {.state = AnswerState::kGone, .code = Code::kPeerDead};
  local_.peers().entry(dest).sole_user(user_).add_awaited(UINT32_MAX);
  const uint64_t seq = answer_field(dest, slot.event.micro_batch).seq.load(std::memory_order_seq_cst);
  if (seq != slot.num_sent) {
    const Answer answer{.state = AnswerState::kSequence, .code = Code::kCorrupt, .value = seq};
    local_.report_corrupt(dest, link.serial(), text_of(answer, dest, slot));
    return answer;
  }
  count(num_received_);
  const Answer answer = check_answer(dest, slot);
  if (user_ != SoleUser::kAttention || answer.is_fault()) return answer;
  // The A2E slot, which the expert has finished with, is written next: its lines come while the attention rank computes. A forwarder
  // does nothing in between.
  dests_[dest].writers[slot.event.micro_batch].fetch(slot.num_bytes);
  return answer;
}

Answer A2eSender::check_answer(uint32_t dest, const Slot& slot) const {
  PairFieldBody body;
  copy_once(&body, &answer_field(dest, slot.event.micro_batch).body, sizeof(body));
  if (body.direction != Direction::kE2a || !is_code(body.detail))
    return {.state = AnswerState::kMalformed, .code = Code::kCorrupt};
  const EventId answered{body.step, body.layer, body.micro_batch};
  if (!(answered == slot.event)) return {.state = AnswerState::kOtherEvent, .code = Code::kMismatch, .event = answered};
  const auto code = static_cast<Code>(body.detail);
  if (code != Code::kOk) {
    Answer refused{.state = AnswerState::kRefused, .code = code};
    copy_once(&refused.refusal, rows(dest, slot.event.micro_batch), sizeof(refused.refusal));
    return refused;
  }
  if (body.num_pairs != slot.num_pairs)
    return {.state = AnswerState::kPairCount, .code = Code::kCorrupt, .value = body.num_pairs};
  return {.state = AnswerState::kComplete};
}

// ---- What faults say ----

uint32_t blamed_rank_of(const Answer& answer, uint32_t dest) {
  const bool is_told = answer.state == AnswerState::kRefused && answer.refusal.blamed_rank < kNumRanksMax;
  return is_told ? answer.refusal.blamed_rank : dest;
}

namespace {

std::string refusal_text(const E2aRefusal& refusal, const A2eSender::Slot& slot) {
  switch (refusal.reason) {
    case RefusalReason::kMalformed:
      return "found impossible sizes or pairs in the message";
    case RefusalReason::kPlacement: {
      const std::string next =
          refusal.details[1] == refusal.details[0] ? "" : " and " + std::to_string(refusal.details[1]);
      return "serves placement version " + std::to_string(refusal.details[0]) + next + ", not the message's " +
             std::to_string(slot.placement_version);
    }
    case RefusalReason::kMask:
      return "is not in the active mask of the message, or the masks of one barrier step differ";
    case RefusalReason::kMode:
      return "is not set up for such a message from that sender";
    case RefusalReason::kBarrier:
      return "keeps the barrier from being completed: it is dead, has moved on, or has not sent in time";
    case RefusalReason::kDead:
      return "is dead";
    case RefusalReason::kByCaller:
      break;
  }
  return "the expert rank refused the message";
}

}  // namespace

std::string text_of(const Answer& answer, uint32_t dest, const A2eSender::Slot& slot) {
  switch (answer.state) {
    case AnswerState::kSequence:
      return "E2A sequence number " + std::to_string(answer.value) + " instead of " + std::to_string(slot.num_sent);
    case AnswerState::kMalformed:
      return "malformed E2A field";
    case AnswerState::kOtherEvent:
      return "answered " + event_text(answer.event);
    case AnswerState::kPairCount:
      return "E2A of " + std::to_string(answer.value) + " pairs instead of " + std::to_string(slot.num_pairs);
    case AnswerState::kRefused: {
      const uint32_t blamed_rank = blamed_rank_of(answer, dest);
      const std::string who = blamed_rank == dest ? "" : rank_text(blamed_rank) + " (told by " + rank_text(dest) + ") ";
      return who + refusal_text(answer.refusal, slot);
    }
    default:
      return "the link has ended";
  }
}

}  // namespace switchyard::xccl
