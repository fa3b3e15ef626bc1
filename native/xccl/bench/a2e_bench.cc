// One A2E and its E2A between 3 attention and 5 expert ranks, without any work: every attention rank has rows for every expert rank
// (loop_routing.h). Direct, and by the trampoline. Reported beside the time: the messages that a rank of each kind sends and
// receives a step, as the library counts them; the suite compares them with its model.
#include "xccl/bench/harness.h"
#include "xccl/bench/loop_routing.h"

namespace switchyard::xccl::bench {

namespace {

constexpr uint32_t kNumAttention = 3;
constexpr uint32_t kNumExperts = 5;
constexpr std::chrono::milliseconds kSlice(1);
constexpr uint32_t kFirstPlainExpert = 2 * kNumAttention;  // those before it forward, one for each attention rank

double messages_of(const ExchangeCounters& counters, uint64_t num_steps) {
  return static_cast<double>(counters.num_sent + counters.num_received) / static_cast<double>(num_steps);
}

class AttentionSide {
 public:
  explicit AttentionSide(Rank& rank) : rank_(rank), endpoint_(*rank.communicator().attention()) {
    const uint32_t first = loop_share(0, kLoopBatch, rank.rank(), kNumAttention);
    batch_ =
        make_loop_batch(first, loop_share(0, kLoopBatch, rank.rank() + 1, kNumAttention), kNumAttention, kNumExperts);
    x_.resize(batch_.num_tokens * kLoopHidden, 1.0f);
  }

  Status run_steps(uint64_t num_steps) {
    A2eBatch batch;
    batch.active_mask = (uint64_t{1} << (kNumAttention + kNumExperts)) - 1;
    batch.rows = reinterpret_cast<const std::byte*>(x_.data());
    batch.num_rows = batch_.num_tokens;
    batch.row_bytes = kLoopRowBytes;
    batch.parts = batch_.parts;
    for (uint64_t i = 0; i < num_steps; ++i) {
      batch.event.step = ++num_steps_;
      SWITCHYARD_RETURN_IF_ERROR(endpoint_.send_all(batch, rank_.deadline()));
      SWITCHYARD_RETURN_IF_ERROR(endpoint_.wait_all(batch.event, rank_.deadline()));
    }
    return {};
  }

  double num_messages() const { return messages_of(endpoint_.counters(), num_steps_); }

 private:
  Rank& rank_;
  AttentionEndpoint& endpoint_;
  LoopBatch batch_;
  std::vector<float> x_;  // [tokens][hidden]
  uint64_t num_steps_ = 0;
};

class ExpertSide {
 public:
  explicit ExpertSide(Rank& rank)
      : rank_(rank), endpoint_(*rank.communicator().expert()), out_(kLoopBatch * kLoopVisitsMax * kLoopRowBytes) {}

  /// Serves what the attention ranks send. A forwarder then still gathers the answers of the others: each slice of the wait does.
  Status run_steps(uint64_t num_steps, uint64_t num_sent_a_step) {
    num_steps_ += num_steps;
    while (endpoint_.counters().num_sent < num_steps_ * num_sent_a_step) {
      views_.clear();
      const Status status =
          endpoint_.wait_any(std::min(std::chrono::steady_clock::now() + kSlice, rank_.deadline()), &views_);
      const bool is_slice = status.code() == Code::kTimeout && std::chrono::steady_clock::now() < rank_.deadline();
      if (!status.ok() && !is_slice) return status;
      for (const A2eView& view : views_) SWITCHYARD_RETURN_IF_ERROR(endpoint_.reply(view, out_.data()));
    }
    return {};
  }

  double num_messages() const { return messages_of(endpoint_.counters(), num_steps_); }

 private:
  Rank& rank_;
  ExpertEndpoint& endpoint_;
  std::vector<std::byte> out_;
  std::vector<A2eView> views_;
  uint64_t num_steps_ = 0;
};

Status run_expert(Rank& rank, bool is_trampoline) {
  ExpertSide side(rank);
  const bool is_forwarder = is_trampoline && rank.rank() < kFirstPlainExpert;
  // Forwarded parts and the answer to the bundle, and the answers to the other forwarders.
  const uint64_t num_sent = is_forwarder ? (kNumExperts - 1) + 1 + (kNumAttention - 1) : kNumAttention;
  SWITCHYARD_RETURN_IF_ERROR(
      rank.measure({}, [&](Batch& batch) { return side.run_steps(batch.num_iterations, num_sent); }));
  if (rank.rank() == kNumAttention) rank.report_extra("first_expert_messages", side.num_messages());
  if (rank.rank() == kFirstPlainExpert) rank.report_extra("last_expert_messages", side.num_messages());
  return {};
}

Status run_attention(Rank& rank) {
  AttentionSide side(rank);
  SWITCHYARD_RETURN_IF_ERROR(rank.measure({}, [&](Batch& batch) { return side.run_steps(batch.num_iterations); }));
  if (rank.rank() == 0) rank.report_extra("attention_messages", side.num_messages());
  return {};
}

Status run_a2e(ExchangeMode mode, const Options& options, Report* report) {
  GroupSpec spec;
  spec.num_ranks = kNumAttention + kNumExperts;
  spec.core_of_rank = {0, 1, 0, 0, 1, 1, 1, 1};
  spec.configure = [&](CommunicatorConfig& config) {
    config.exchange = {kLoopBatch, kLoopRowBytes, kLoopVisitsMax, kLoopLocalExperts, kNumExperts};
    const uint64_t attention_mask = (uint64_t{1} << kNumAttention) - 1;
    const uint64_t expert_mask = ((uint64_t{1} << kNumExperts) - 1) << kNumAttention;
    config.exchange_plan = {mode, ExchangePace::kDataflow, attention_mask, expert_mask, {}};
    config.num_local_ranks = spec.num_ranks;
  };
  return run_group(spec, options, report, [mode](Rank& rank) {
    if (rank.rank() < kNumAttention) return run_attention(rank);
    return run_expert(rank, mode == ExchangeMode::kTrampoline);
  });
}

const CaseTable table{
    {"a2e-3x5-direct",
     [](const Options& options, Report* report) { return run_a2e(ExchangeMode::kDirect, options, report); }},
    {"a2e-3x5-trampoline",
     [](const Options& options, Report* report) { return run_a2e(ExchangeMode::kTrampoline, options, report); }},
};

}  // namespace

}  // namespace switchyard::xccl::bench
