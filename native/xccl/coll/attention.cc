#include "xccl/coll/attention.h"

#include <algorithm>
#include <bit>
#include <numeric>
#include <utility>

#include "xccl/link/event_text.h"
#include "xccl/link/op_timer.h"
#include "xccl/telemetry/scope.h"
#include "xccl/wait/wait_on.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "A2E message: " + text}; }

}  // namespace

Attention::Attention(LocalRank& local)
    : local_(local),
      roles_(local.config().exchange_plan),
      sender_(local, SoleUser::kAttention),
      bundle_(local.layout().exchange()) {}

// ---- send: one message ----

Status Attention::send(uint32_t dest, const A2eMessage& message, Deadline deadline, OpTiming* timing) {
  const OpTimer timer(timing);
  if (roles_.is_trampoline() || roles_.is_barrier()) return invalid("this exchange's plan needs send_all()");
  A2eBatch batch;
  batch.event = message.event;
  batch.placement_version = message.placement_version;
  batch.active_mask = message.active_mask;
  batch.rows = message.rows;
  batch.row_bytes = message.row_bytes;
  batch.traces = message.traces;
  const A2ePart part{dest, message.expert_counts, message.pair_rows, message.row_index};
  SWITCHYARD_RETURN_IF_ERROR(check_batch(batch));
  SWITCHYARD_RETURN_IF_ERROR(check_part(batch, part));
  return send_part(batch, part, deadline);
}

Status Attention::check_batch(const A2eBatch& batch) const {
  if (batch.event.micro_batch >= kNumMicroBatches) return invalid("micro_batch must be 0 or 1");
  if (!has_rank(batch.active_mask, local_.config().rank)) return invalid("active_mask lacks this rank");
  return {};
}

Status Attention::check_part(const A2eBatch& batch, const A2ePart& part) const {
  const ExchangeShape& shape = local_.layout().exchange();
  if (part.dest >= local_.config().max_ranks)
    return invalid("destination " + std::to_string(part.dest) + " is not below max_ranks");
  if (!has_rank(batch.active_mask, part.dest))
    return invalid("active_mask lacks destination " + std::to_string(part.dest));
  if (part.row_index.size() > shape.max_tokens) return invalid("more than max_tokens rows");
  if (part.pair_rows.size() > shape.max_pairs()) return invalid("more than max_tokens * top_k pairs");
  if (part.expert_counts.size() > shape.max_local_experts) return invalid("more than max_local_experts counts");
  if (batch.row_bytes == 0 || batch.row_bytes > shape.row_bytes) return invalid("row_bytes must be 1 to the shape's");
  if (batch.traces.size() > kNumTracesMax) return invalid("more than 4 traces");
  const uint64_t sum = std::accumulate(part.expert_counts.begin(), part.expert_counts.end(), uint64_t{0});
  if (sum != part.pair_rows.size())
    return invalid("expert_counts sum to " + std::to_string(sum) + " instead of the number of pairs");
  for (const uint32_t row : part.pair_rows) {
    if (row >= part.row_index.size()) return invalid("a pair names row " + std::to_string(row) + ", past the last");
  }
  return {};
}

Status Attention::send_part(const A2eBatch& batch, const A2ePart& part, Deadline deadline) {
  return count_call(local_.recorder(), {Primitive::kA2eSend, part.dest, batch.event},
                    [this, &batch, &part, deadline](CallScope* scope) {
                      if (scope) scope->set_bytes(part.row_index.size() * uint64_t{batch.row_bytes});
                      return write_part(batch, part, deadline, scope);
                    });
}

Status Attention::write_part(const A2eBatch& batch, const A2ePart& part, Deadline deadline, CallScope* scope) {
  const LinkRef link = local_.peers().acquire(part.dest, SoleUser::kAttention);
  SWITCHYARD_RETURN_IF_ERROR(prepare_slot(part.dest, link, batch.event, deadline, scope));
  HeadBuffer& head = start_head(MessageKind::kDirect, batch);
  head.add(part.expert_counts);
  head.add(part.pair_rows);
  const PartTimer timer(scope, CallPart::kCopy);
  return sender_.send(part.dest, {batch.event,
                                  batch.placement_version,
                                  static_cast<uint32_t>(part.pair_rows.size()),
                                  static_cast<uint32_t>(part.expert_counts.size()),
                                  {batch.rows, batch.row_bytes, part.row_index}});
}

HeadBuffer& Attention::start_head(MessageKind kind, const A2eBatch& batch) {
  A2eSlotHeader& header = sender_.head().start();
  header.sender_epoch = header.origin_epoch = local_.config().epoch;
  header.sender_rank = header.origin_rank = local_.config().rank;
  header.row_bytes = batch.row_bytes;
  header.placement_version = batch.placement_version;
  header.active_mask = batch.active_mask;
  header.kind = kind;
  header.num_traces = static_cast<uint32_t>(batch.traces.size());
  std::copy(batch.traces.begin(), batch.traces.end(), header.traces);
  return sender_.head();
}

/// The slot's last exchange must have ended before it is used again: then the expert reads the A2E slot no more and writes
/// the E2A slot no more.
Status Attention::prepare_slot(uint32_t dest, const LinkRef& link, const EventId& event, Deadline deadline,
                               CallScope* scope) {
  if (!link) return gone(dest, event);
  SWITCHYARD_RETURN_IF_ERROR(sender_.follow_link(dest, link));
  const A2eSender::Slot& slot = sender_.slot(dest, event.micro_batch);
  if (slot.state != A2eSender::SlotState::kSent) return {};
  if (slot.event == event) return invalid(event_text(event) + " was sent already");
  const PartTimer timer(scope, CallPart::kWait);
  return drain(dest, event, deadline);
}

/// Waits for an older event's late answer and drops it: what it says does not matter, only that the slot is free again.
Status Attention::drain(uint32_t dest, const EventId& next, Deadline deadline) {
  const uint32_t micro_batch = next.micro_batch;
  Answer answer;
  const auto check = [&]() -> uint32_t {
    answer = sender_.take(dest, micro_batch);
    return answer.state == AnswerState::kMissing ? 1 : 0;
  };
  const bool is_done = wait_on(local_.waiter(bell_of_e2a(micro_batch)), deadline, check, [this] { local_.progress(); });
  const EventId& abandoned = sender_.slot(dest, micro_batch).event;
  if (!is_done) return rank_error(Code::kTimeout, dest, abandoned, "the abandoned exchange was not answered");
  const bool is_lost = answer.state == AnswerState::kGone || answer.state == AnswerState::kSequence;
  return is_lost ? fault_of(answer, dest, abandoned) : Status();
}

// ---- send_all: one event's parts ----

Status Attention::send_all(const A2eBatch& batch, Deadline deadline, WaitReport* report) {
  if (report) *report = WaitReport{};
  const OpTimer timer(report ? &report->timing : nullptr);
  SWITCHYARD_RETURN_IF_ERROR(complete_parts(batch));
  for (uint32_t m = 0; m < kNumMicroBatches; ++m) {
    if (m != batch.event.micro_batch) fetch_answers(m);
  }
  Flight& flight = flights_[batch.event.micro_batch];
  flight.event = batch.event;
  flight.num_targets = 0;
  uint32_t blamed_rank = roles_.forwarder_of(local_.config().rank);
  Status status =
      roles_.is_trampoline() ? send_bundle(batch, blamed_rank, deadline) : send_parts(batch, deadline, &blamed_rank);
  const bool is_ranks_fault = !status.ok() && status.code() != Code::kClosed && status.code() != Code::kInvalidArgument;
  if (report && is_ranks_fault) report->failed_rank = static_cast<int32_t>(blamed_rank);
  return status;
}

/// Whoever has two micro-batches in flight waits for the other one next: its answers come while this one is sent.
void Attention::fetch_answers(uint32_t micro_batch) {
  const Flight& flight = flights_[micro_batch];
  for (uint32_t i = 0; i < flight.num_targets; ++i) sender_.fetch_answer(flight.targets[i], micro_batch);
}

/// parts_ of the batch, all checked before anything is sent: those with rows and, where a barrier needs them, empty ones.
Status Attention::complete_parts(const A2eBatch& batch) {
  num_parts_ = 0;
  SWITCHYARD_RETURN_IF_ERROR(check_batch(batch));
  if (batch.num_rows > local_.layout().exchange().max_tokens) return invalid("more than max_tokens rows");
  uint64_t named = 0;
  for (const A2ePart& part : batch.parts) {
    SWITCHYARD_RETURN_IF_ERROR(check_part(batch, part));
    const bool is_past =
        std::any_of(part.row_index.begin(), part.row_index.end(), [&](uint32_t row) { return row >= batch.num_rows; });
    if (is_past) return invalid("row_index names a row past num_rows");
    if (has_rank(named, part.dest)) return invalid("two parts for " + rank_text(part.dest));
    named |= uint64_t{1} << part.dest;
    if (roles_.expert_mask() != 0 && !has_rank(roles_.expert_mask(), part.dest))
      return invalid(rank_text(part.dest) + " is no expert rank of the plan");
    if (roles_.is_barrier() || !part.row_index.empty()) parts_[num_parts_++] = part;
  }
  if (!roles_.is_barrier()) return {};
  for (uint64_t left = roles_.expert_mask() & batch.active_mask & ~named; left != 0; left &= left - 1)
    parts_[num_parts_++] = A2ePart{static_cast<uint32_t>(std::countr_zero(left)), {}, {}, {}};
  return {};
}

Status Attention::send_parts(const A2eBatch& batch, Deadline deadline, uint32_t* blamed_rank) {
  Flight& flight = flights_[batch.event.micro_batch];
  Status fault;
  for (uint32_t i = 0; i < num_parts_; ++i) {
    const A2ePart& part = parts_[i];
    Status status = send_part(batch, part, deadline);
    if (status.ok()) {
      flight.targets[flight.num_targets++] = part.dest;
      continue;
    }
    if (fault.ok()) {
      *blamed_rank = part.dest;
      fault = std::move(status);
    }
    // At the other ranks' barriers this rank is awaited all the same.
    if (!roles_.is_barrier()) break;
  }
  return fault;
}

Status Attention::send_bundle(const A2eBatch& batch, uint32_t forwarder, Deadline deadline) {
  if (forwarder == kNoRank) return invalid("this rank is no attention rank of the plan");
  if (!has_rank(batch.active_mask, forwarder))
    return invalid("active_mask lacks this rank's forwarder " + std::to_string(forwarder));
  if (num_parts_ == 0) return {};
  return count_call(local_.recorder(), {Primitive::kA2eSend, forwarder, batch.event}, [&, forwarder](CallScope* scope) {
    Status status = write_bundle(batch, forwarder, deadline, scope);
    if (scope) scope->set_bytes(bundle_.rows().size() * uint64_t{batch.row_bytes});
    return status;
  });
}

Status Attention::write_bundle(const A2eBatch& batch, uint32_t forwarder, Deadline deadline, CallScope* scope) {
  const LinkRef link = local_.peers().acquire(forwarder, SoleUser::kAttention);
  SWITCHYARD_RETURN_IF_ERROR(prepare_slot(forwarder, link, batch.event, deadline, scope));
  HeadBuffer& head = start_head(MessageKind::kBundle, batch);
  const std::span<const A2ePart> parts(parts_.data(), num_parts_);
  SWITCHYARD_RETURN_IF_ERROR(bundle_.write(batch, parts, &head));
  Flight& flight = flights_[batch.event.micro_batch];
  flight.targets[flight.num_targets++] = forwarder;
  uint32_t pair_base = 0;
  for (const A2ePart& part : parts) {
    const auto num_pairs = static_cast<uint32_t>(part.pair_rows.size());
    flight.records[part.dest] = {batch.event, forwarder, pair_base, num_pairs};
    pair_base += num_pairs;
  }
  const PartTimer timer(scope, CallPart::kCopy);
  return sender_.send(forwarder, {batch.event,
                                  batch.placement_version,
                                  bundle_.num_pairs(),
                                  num_parts_,
                                  {batch.rows, batch.row_bytes, bundle_.rows()}});
}

// ---- wait ----

Status Attention::wait(const EventId& event, std::span<const uint32_t> dests, Deadline deadline, WaitReport* report) {
  if (report) *report = WaitReport{};
  if (roles_.is_trampoline()) return {Code::kInvalidArgument, "E2A wait: this exchange's plan needs wait_all()"};
  SWITCHYARD_RETURN_IF_ERROR(check_awaited(event, dests));
  return wait_for(event, dests, deadline, report);
}

Status Attention::wait_all(const EventId& event, Deadline deadline, WaitReport* report) {
  if (report) *report = WaitReport{};
  if (event.micro_batch >= kNumMicroBatches || !(flights_[event.micro_batch].event == event))
    return {Code::kInvalidArgument, "E2A wait: " + event_text(event) + " is not the last that was sent"};
  const Flight& flight = flights_[event.micro_batch];
  const std::span<const uint32_t> targets(flight.targets.data(), flight.num_targets);
  SWITCHYARD_RETURN_IF_ERROR(check_awaited(event, targets));
  return wait_for(event, targets, deadline, report);
}

Status Attention::check_awaited(const EventId& event, std::span<const uint32_t> dests) const {
  if (event.micro_batch >= kNumMicroBatches) return {Code::kInvalidArgument, "E2A wait: micro_batch must be 0 or 1"};
  if (dests.size() > local_.config().max_ranks)
    return {Code::kInvalidArgument, "E2A wait: more destinations than ranks"};
  for (const uint32_t dest : dests) {
    const bool is_rank = dest < local_.config().max_ranks;
    const A2eSender::Slot* slot = is_rank ? &sender_.slot(dest, event.micro_batch) : nullptr;
    if (!slot || slot->state == A2eSender::SlotState::kFree || !(slot->event == event)) {
      return {Code::kInvalidArgument, "E2A wait: " + event_text(event) + " was not sent to " + rank_text(dest)};
    }
  }
  return {};
}

Status Attention::wait_for(const EventId& event, std::span<const uint32_t> targets, Deadline deadline,
                           WaitReport* report) {
  const OpTimer timer(report ? &report->timing : nullptr);
  const uint32_t peer = targets.size() == 1 ? targets[0] : kAllPeers;
  return count_call(local_.recorder(), {Primitive::kE2aWait, peer, event}, [&](CallScope* scope) {
    const PartTimer wait_timer(scope, CallPart::kWait);
    Awaited awaited;
    Status status = await_answers(event, targets, deadline, report, &awaited);
    if (scope && (status.ok() ? awaited.num_missing == 1 : awaited.rank != kNoRank)) scope->name(awaited.rank, event);
    if (!scope || !status.ok()) return status;
    for (const uint32_t target : targets) {
      const A2eSender::Slot& slot = sender_.slot(target, event.micro_batch);
      scope->add_bytes(target, uint64_t{slot.num_pairs} * slot.row_bytes);
    }
    return status;
  });
}

Status Attention::await_answers(const EventId& event, std::span<const uint32_t> targets, Deadline deadline,
                                WaitReport* report, Awaited* awaited) {
  Status fault;
  uint32_t num_sleeps = 0;
  const auto check = [&] { return look(event, targets, &fault, awaited); };
  const auto on_wake = [&] {
    local_.progress();
    num_sleeps += 1;
  };
  const bool is_done = wait_on(local_.waiter(bell_of_e2a(event.micro_batch)), deadline, check, on_wake);
  if (!is_done) fault = rank_error(Code::kTimeout, awaited->rank, event, "no E2A before the deadline");
  if (!report) return fault;
  report->num_sleeps = num_sleeps;
  if (!fault.ok() && fault.code() != Code::kClosed) report->failed_rank = static_cast<int32_t>(awaited->rank);
  return fault;
}

/// One look at all awaited fields: the number still missing, or 0 with *fault set.
uint32_t Attention::look(const EventId& event, std::span<const uint32_t> targets, Status* fault, Awaited* awaited) {
  uint32_t num_missing = 0;
  for (const uint32_t target : targets) {
    const Answer answer = sender_.take(target, event.micro_batch);
    if (answer.state == AnswerState::kComplete) continue;
    if (answer.is_fault()) {
      awaited->rank = blamed_rank_of(answer, target);
      *fault = fault_of(answer, target, event);
      return 0;
    }
    if (num_missing++ == 0) awaited->rank = target;
  }
  if (num_missing > 0) awaited->num_missing = num_missing;
  return num_missing;
}

Status Attention::fault_of(const Answer& answer, uint32_t dest, const EventId& event) const {
  if (answer.state == AnswerState::kGone) return gone(dest, event);
  return rank_error(answer.code, dest, event, text_of(answer, dest, sender_.slot(dest, event.micro_batch)));
}

Status Attention::gone(uint32_t rank, const EventId& event) const {
  if (local_.is_closing()) return {Code::kClosed, "the communicator is closed"};
  const Status why = local_.explain_unlinked(rank);
  return {why.code(), event_text(event) + ": " + why.message()};
}

bool Attention::is_ready(const EventId& event) const {
  if (event.micro_batch >= kNumMicroBatches || !(flights_[event.micro_batch].event == event)) return false;
  const Flight& flight = flights_[event.micro_batch];
  return std::none_of(flight.targets.begin(), flight.targets.begin() + flight.num_targets,
                      [&](uint32_t target) { return sender_.is_missing(target, event.micro_batch); });
}

// ---- view ----

E2aView Attention::view(uint32_t dest, uint8_t micro_batch) const {
  if (dest >= local_.config().max_ranks || micro_batch >= kNumMicroBatches) return {};
  const Flight& flight = flights_[micro_batch];
  const PartRecord& record = flight.records[dest];
  const bool is_bundled = roles_.is_trampoline();
  if (is_bundled && (record.target == kNoRank || !(record.event == flight.event))) return {};
  const uint32_t target = is_bundled ? record.target : dest;
  const A2eSender::Slot& slot = sender_.slot(target, micro_batch);
  if (slot.state != A2eSender::SlotState::kAnswered) return {};
  const std::byte* rows = sender_.rows(target, micro_batch);
  if (!is_bundled) return {rows, slot.num_pairs, slot.row_bytes};
  return {rows + uint64_t{record.pair_base} * slot.row_bytes, record.num_pairs, slot.row_bytes};
}

}  // namespace switchyard::xccl
