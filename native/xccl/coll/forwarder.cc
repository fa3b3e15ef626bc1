#include "xccl/coll/forwarder.h"

#include <bit>

namespace switchyard::xccl {
namespace {

/// How an attention rank is told what its forwarder found at `dest`.
Refusal refusal_of(const Answer& answer, uint32_t dest) {
  if (answer.state == AnswerState::kRefused) return {answer.code, answer.refusal};
  const bool is_dead = answer.state == AnswerState::kGone;
  return {answer.code, {is_dead ? RefusalReason::kDead : RefusalReason::kMalformed, dest, {}}};
}

}  // namespace

void Forwarder::begin(const ArrivedMessage& message, const SlotWriter& answer) {
  Bundle& bundle = bundles_[message.event().micro_batch];
  bundle = Bundle{};
  bundle.message = &message;
  bundle.answer = &answer;
  const std::span<const PartLists> parts = message.parts();
  for (size_t i = 0; i < parts.size(); ++i) {
    const bool is_own = parts[i].rank == local_.config().rank;
    bundle.states[i] = is_own ? PartState::kDone : PartState::kWaiting;
    bundle.num_open += !is_own;
  }
  bundle.num_waiting = bundle.num_open;
}

bool Forwarder::is_settled(uint32_t micro_batch) const {
  const Bundle& bundle = bundles_[micro_batch];
  // At the other ranks' barriers a part is awaited though the bundle has failed.
  return bundle.num_open == 0 || (bundle.refusal.code != Code::kOk && (!is_barrier_ || bundle.num_waiting == 0));
}

void Forwarder::set_refusal(uint32_t micro_batch, const Refusal& refusal) {
  Refusal& first = bundles_[micro_batch].refusal;
  if (first.code == Code::kOk) first = refusal;
}

void Forwarder::progress() {
  for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
    if (out_[m] != 0) take_answers(m);
    if (is_active(m) && !is_settled(m)) send_parts(bundles_[m]);
  }
}

// ---- Forwarding ----

void Forwarder::send_parts(Bundle& bundle) {
  const uint32_t micro_batch = bundle.message->event().micro_batch;
  const std::span<const PartLists> parts = bundle.message->parts();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (bundle.refusal.code != Code::kOk && !is_barrier_) return;
    if (bundle.states[i] != PartState::kWaiting) continue;
    const uint32_t dest = parts[i].rank;
    // A slot that still holds a part of an abandoned bundle is waited for by looking again.
    if ((out_[micro_batch] >> dest & 1) != 0) continue;
    bundle.num_waiting -= 1;
    const LinkRef link = local_.peers().acquire(dest, SoleUser::kExpert);
    if (!link || !sender_.follow_link(dest, link).ok() || !write_part(*bundle.message, parts[i]).ok()) {
      set_refusal(micro_batch, {Code::kPeerDead, {RefusalReason::kDead, dest, {}}});
      bundle.states[i] = PartState::kDone;
      bundle.num_open -= 1;
      continue;
    }
    bundle.states[i] = PartState::kOut;
    out_[micro_batch] |= uint64_t{1} << dest;
  }
}

Status Forwarder::write_part(const ArrivedMessage& message, const PartLists& part) {
  HeadBuffer& head = sender_.head();
  A2eSlotHeader& header = head.start();
  header = message.header();
  header.sender_epoch = local_.config().epoch;
  header.sender_rank = local_.config().rank;
  header.kind = MessageKind::kForwarded;
  head.add(std::span<const uint32_t>(part.counts));
  head.add(std::span<const uint32_t>(part.pairs));
  return sender_.send(part.rank, {message.event(),
                                  header.placement_version,
                                  static_cast<uint32_t>(part.pairs.size()),
                                  static_cast<uint32_t>(part.counts.size()),
                                  {message.rows(), header.row_bytes, part.refs}});
}

// ---- Gathering ----

void Forwarder::take_answers(uint32_t micro_batch) {
  for (uint64_t left = out_[micro_batch]; left != 0; left &= left - 1) {
    const auto dest = static_cast<uint32_t>(std::countr_zero(left));
    const EventId event = sender_.slot(dest, micro_batch).event;
    const Answer answer = sender_.take(dest, micro_batch);
    if (answer.state == AnswerState::kMissing) continue;
    out_[micro_batch] &= ~(uint64_t{1} << dest);
    Bundle& bundle = bundles_[micro_batch];
    // Of an earlier bundle: nobody wants it any more.
    if (!bundle.message || !(bundle.message->event() == event)) continue;
    finish_part(bundle, dest, answer);
  }
}

void Forwarder::finish_part(Bundle& bundle, uint32_t dest, const Answer& answer) {
  const std::span<const PartLists> parts = bundle.message->parts();
  for (size_t i = 0; i < parts.size(); ++i) {
    if (parts[i].rank != dest || bundle.states[i] != PartState::kOut) continue;
    bundle.states[i] = PartState::kDone;
    bundle.num_open -= 1;
    const uint32_t micro_batch = bundle.message->event().micro_batch;
    if (answer.is_fault()) {
      set_refusal(micro_batch, refusal_of(answer, dest));
    } else {
      gather(bundle, parts[i]);
    }
    return;
  }
}

void Forwarder::gather(const Bundle& bundle, const PartLists& part) {
  const uint64_t row_bytes = bundle.message->header().row_bytes;
  const std::byte* rows = sender_.rows(part.rank, bundle.message->event().micro_batch);
  const Status status = bundle.answer->write(part.pair_base * row_bytes, {rows, part.pairs.size() * row_bytes});
  if (!status.ok())
    set_refusal(bundle.message->event().micro_batch,
                {status.code(), {RefusalReason::kByCaller, local_.config().rank, {}}});
}

}  // namespace switchyard::xccl
