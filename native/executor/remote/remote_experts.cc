#include "executor/remote/remote_experts.h"

#include <algorithm>

namespace switchyard::executor {
namespace {

constexpr uint32_t kNoRow = UINT32_MAX;

}  // namespace

RemoteExperts::RemoteExperts(const ModelSpec& spec, ExpertPlacement placement,
                             std::shared_ptr<xccl::Communicator> communicator)
    : spec_(spec),
      placement_(std::move(placement)),
      communicator_(std::move(communicator)),
      expert_pairs_(spec.num_ffn_units()),
      active_mask_(uint64_t{1} << communicator_->rank()) {
  for (uint32_t rank = 0; rank < communicator_->config().max_ranks; ++rank) {
    std::vector<int32_t> experts = placement_.experts_of(static_cast<int32_t>(rank));
    if (experts.empty()) continue;
    Destination& dest = destinations_.emplace_back();
    dest.rank = rank;
    dest.experts = std::move(experts);
    dest.expert_counts.resize(dest.experts.size());
    active_mask_ |= uint64_t{1} << rank;
  }
  parts_.reserve(destinations_.size());
}

void RemoteExperts::begin_pass(uint64_t pass, std::span<const TraceTag> traces) {
  pass_ = pass;
  traces_.clear();
  for (const TraceTag& tag : traces.first(std::min<size_t>(traces.size(), xccl::kNumTracesMax))) {
    xccl::TraceRef& trace = traces_.emplace_back();
    std::copy(std::begin(tag.trace_id), std::end(tag.trace_id), trace.trace_id.begin());
    std::copy(std::begin(tag.span_id), std::end(tag.span_id), trace.span_id.begin());
  }
}

Status RemoteExperts::begin(const ExpertBatch& batch) {
  failed_rank_ = -1;
  event_ = {pass_, static_cast<uint16_t>(batch.layer), 0};
  deadline_ = xccl::deadline_in(std::chrono::milliseconds(placement_.timeout_ms));
  sort_pairs(batch);
  return send(batch);
}

void RemoteExperts::sort_pairs(const ExpertBatch& batch) {
  for (auto& pairs : expert_pairs_) pairs.clear();
  const int num_pairs = batch.num_rows * spec_.ffn_units_per_token();
  for (int pair = 0; pair < num_pairs; ++pair) expert_pairs_[batch.expert_ids[pair]].push_back(pair);
  for (Destination& dest : destinations_) {
    dest.row_index.clear();
    dest.pair_rows.clear();
    dest.pairs.clear();
    message_row_.assign(batch.num_rows, kNoRow);
    for (size_t i = 0; i < dest.experts.size(); ++i) add_expert_pairs(i, &dest);
  }
}

void RemoteExperts::add_expert_pairs(size_t local_idx, Destination* dest) {
  const std::vector<int32_t>& pairs = expert_pairs_[dest->experts[local_idx]];
  dest->expert_counts[local_idx] = static_cast<uint32_t>(pairs.size());
  for (const int32_t pair : pairs) {
    const uint32_t row = pair / spec_.ffn_units_per_token();
    if (message_row_[row] == kNoRow) {
      message_row_[row] = static_cast<uint32_t>(dest->row_index.size());
      dest->row_index.push_back(row);
    }
    dest->pair_rows.push_back(message_row_[row]);
    dest->pairs.push_back(pair);
  }
}

Status RemoteExperts::send(const ExpertBatch& batch) {
  parts_.clear();
  for (const Destination& dest : destinations_) {
    if (!dest.pairs.empty()) parts_.push_back({dest.rank, dest.expert_counts, dest.pair_rows, dest.row_index});
  }
  xccl::A2eBatch message;
  message.event = event_;
  message.placement_version = placement_.version;
  message.active_mask = active_mask_;
  message.rows = batch.rows;
  message.num_rows = static_cast<uint32_t>(batch.num_rows);
  message.row_bytes = static_cast<uint32_t>(spec_.expert_row_bytes());
  message.parts = parts_;
  message.traces = traces_;
  xccl::WaitReport report;
  const Status status = communicator_->attention()->send_all(message, deadline_, &report);
  times_.send_ns += static_cast<int64_t>(report.timing.duration_ns);
  if (!status.ok()) failed_rank_ = report.failed_rank;
  return status;
}

/// The outputs stay where the experts wrote them: in this rank's own segment, until its next message to them.
Status RemoteExperts::finish(const ExpertBatch&, std::byte*, const std::byte** outputs) {
  xccl::WaitReport report;
  const Status status = communicator_->attention()->wait_all(event_, deadline_, &report);
  times_.wait_ns += static_cast<int64_t>(report.timing.duration_ns);
  if (!status.ok()) {
    failed_rank_ = report.failed_rank;
    return status;
  }
  const size_t row_bytes = spec_.expert_row_bytes();
  for (const Destination& dest : destinations_) {
    if (dest.pairs.empty()) continue;
    const xccl::E2aView view = communicator_->attention()->view(dest.rank, event_.micro_batch);
    if (view.num_pairs != dest.pairs.size() || view.row_bytes != row_bytes) {
      failed_rank_ = static_cast<int32_t>(dest.rank);
      return {Code::kCorrupt,
              "rank " + std::to_string(dest.rank) + " answered with " + std::to_string(view.num_pairs) + " rows"};
    }
    for (size_t i = 0; i < dest.pairs.size(); ++i) outputs[dest.pairs[i]] = view.rows + i * row_bytes;
  }
  return {};
}

}  // namespace switchyard::executor
