// The decode loop split over attention and expert ranks (A2E, expert work, E2A, layer by layer) with the calibrated work of
// loop_work.h; `loop-colocated-b8` is the same work without a split. Rows really travel: experts read what came and write a row
// a pair, attention ranks add them up.
#include <cstring>

#include "xccl/bench/harness.h"
#include "xccl/bench/loop_routing.h"

namespace switchyard::xccl::bench {

namespace {

constexpr uint32_t kNumMessagesAStep =
    kLoopNumMoeLayers;  // of one micro-batch, to each expert rank that it has rows for

struct LoopShape {
  uint32_t num_attention = 1;
  uint32_t num_experts = 1;
  uint32_t num_micro_batches = 1;
  std::vector<uint32_t> core_of_rank;  // attention ranks, then expert ranks
  std::vector<uint32_t> busy_cores{};  // on which a process that is no rank computes all the time
};

/// What an attention rank sends in each MoE layer, by micro-batch.
std::vector<LoopBatch> batches_of(const LoopShape& shape, uint32_t attention_rank) {
  const uint32_t first = loop_share(0, kLoopBatch, attention_rank, shape.num_attention);
  const uint32_t end = loop_share(0, kLoopBatch, attention_rank + 1, shape.num_attention);
  std::vector<LoopBatch> batches;
  for (uint32_t m = 0; m < shape.num_micro_batches; ++m) {
    batches.push_back(make_loop_batch(loop_share(first, end, m, shape.num_micro_batches),
                                      loop_share(first, end, m + 1, shape.num_micro_batches), shape.num_attention,
                                      shape.num_experts));
  }
  return batches;
}

void add_row(const float* __restrict row, float* __restrict sum) {
  for (uint32_t i = 0; i < kLoopHidden; ++i) sum[i] += row[i];
}

/// One micro-batch of an attention rank: a stream of its own.
struct Stream {
  LoopBatch batch;
  EventId event;
  bool is_out = false;  // sent and not awaited yet
};

class AttentionLoop {
 public:
  AttentionLoop(const LoopShape& shape, const LoopWork& work, Rank& rank)
      : work_(work), rank_(rank), endpoint_(*rank.communicator().attention()), streams_(shape.num_micro_batches) {
    std::vector<LoopBatch> batches = batches_of(shape, rank.rank());
    for (uint32_t m = 0; m < shape.num_micro_batches; ++m) {
      streams_[m].batch = std::move(batches[m]);
      streams_[m].event.micro_batch = static_cast<uint8_t>(m);
    }
    active_mask_ = (uint64_t{1} << (shape.num_attention + shape.num_experts)) - 1;
    x_.resize(kLoopBatch * kLoopHidden, 1.0f);
    sum_.resize(kLoopHidden);
  }

  /// The streams take turns: while one is out, the others compute. The last layer is awaited when the next step begins.
  Status run_step() {
    for (uint32_t layer = 0; layer < kLoopNumMoeLayers; ++layer) {
      for (Stream& stream : streams_) SWITCHYARD_RETURN_IF_ERROR(run_layer(stream, layer));
    }
    return {};
  }

  Status drain() {
    for (Stream& stream : streams_) SWITCHYARD_RETURN_IF_ERROR(finish_layer(stream));
    return {};
  }

 private:
  Status run_layer(Stream& stream, uint32_t layer) {
    SWITCHYARD_RETURN_IF_ERROR(finish_layer(stream));
    const double share = static_cast<double>(stream.batch.num_tokens) / kLoopBatch;
    if (layer == 0) work_.dense(share * kLoopNumDenseLayers);
    work_.attention(share);
    stream.event.layer = static_cast<uint16_t>(layer);
    stream.event.step += layer == 0;
    A2eBatch batch;
    batch.event = stream.event;
    batch.active_mask = active_mask_;
    batch.rows = reinterpret_cast<const std::byte*>(x_.data());
    batch.num_rows = stream.batch.num_tokens;
    batch.row_bytes = kLoopRowBytes;
    batch.parts = stream.batch.parts;
    stream.is_out = true;
    return endpoint_.send_all(batch, rank_.deadline());
  }

  Status finish_layer(Stream& stream) {
    if (!stream.is_out) return {};
    stream.is_out = false;
    SWITCHYARD_RETURN_IF_ERROR(endpoint_.wait_all(stream.event, rank_.deadline()));
    for (const A2ePart& part : stream.batch.parts) {
      const E2aView view = endpoint_.view(part.dest, stream.event.micro_batch);
      const auto* rows = reinterpret_cast<const float*>(view.rows);
      for (uint32_t pair = 0; pair < view.num_pairs; ++pair) add_row(rows + pair * kLoopHidden, sum_.data());
    }
    keep(sum_);
    return {};
  }

  const LoopWork& work_;
  Rank& rank_;
  AttentionEndpoint& endpoint_;
  std::vector<Stream> streams_;
  uint64_t active_mask_ = 0;
  std::vector<float> x_;    // [tokens][hidden]
  std::vector<float> sum_;  // [hidden]
};

class ExpertLoop {
 public:
  ExpertLoop(const LoopShape& shape, const LoopWork& work, Rank& rank)
      : work_(work),
        rank_(rank),
        endpoint_(*rank.communicator().expert()),
        num_pairs_(kLoopBatch * loop_num_visits(shape.num_experts)),
        out_(kLoopBatch * kLoopRowBytes) {
    for (uint32_t a = 0; a < shape.num_attention; ++a) {
      for (const LoopBatch& batch : batches_of(shape, a)) {
        for (const A2ePart& part : batch.parts) num_messages_ += part.dest == rank.rank() ? kNumMessagesAStep : 0;
      }
    }
  }

  /// An attention rank may be a message ahead: what came early counts for the next call.
  Status run_steps(uint64_t num_steps) {
    for (num_due_ += num_steps * num_messages_; num_served_ < num_due_; num_served_ += views_.size()) {
      views_.clear();
      SWITCHYARD_RETURN_IF_ERROR(endpoint_.wait_any(rank_.deadline(), &views_));
      for (const A2eView& view : views_) SWITCHYARD_RETURN_IF_ERROR(serve(view));
    }
    return {};
  }

 private:
  Status serve(const A2eView& view) {
    const size_t num_pairs = view.pair_rows.size();
    for (size_t pair = 0; pair < num_pairs; ++pair)
      std::memcpy(&out_[pair * kLoopRowBytes], view.rows + view.pair_rows[pair] * kLoopRowBytes, kLoopRowBytes);
    work_.expert(static_cast<double>(num_pairs) / num_pairs_);
    return endpoint_.reply(view, out_.data());
  }

  const LoopWork& work_;
  Rank& rank_;
  ExpertEndpoint& endpoint_;
  uint32_t num_pairs_;         // of the whole batch
  uint64_t num_messages_ = 0;  // a step
  uint64_t num_due_ = 0;
  uint64_t num_served_ = 0;
  std::vector<A2eView> views_;
  std::vector<std::byte> out_;
};

Status run_rank(const LoopShape& shape, const LoopWork& work, Rank& rank) {
  const Sampling sampling{.sample_ns_min = 0, .is_rate = true};
  if (rank.rank() >= shape.num_attention) {
    ExpertLoop loop(shape, work, rank);
    return rank.measure(sampling, [&](Batch& batch) { return loop.run_steps(batch.num_iterations); });
  }
  AttentionLoop loop(shape, work, rank);
  SWITCHYARD_RETURN_IF_ERROR(rank.measure(sampling, [&](Batch& batch) -> Status {
    for (uint64_t i = 0; i < batch.num_iterations; ++i) SWITCHYARD_RETURN_IF_ERROR(loop.run_step());
    return {};
  }));
  return loop.drain();
}

Status run_loop(const LoopShape& shape, const Options& options, Report* report) {
  const LoopWork work;
  GroupSpec spec;
  spec.num_ranks = shape.num_attention + shape.num_experts;
  spec.core_of_rank = shape.core_of_rank;
  spec.busy_cores = shape.busy_cores;
  spec.configure = [&](CommunicatorConfig& config) {
    config.exchange = {kLoopBatch, kLoopRowBytes, 1, kLoopLocalExperts};
    config.num_local_ranks = spec.num_ranks;
  };
  return run_group(spec, options, report, [&](Rank& rank) { return run_rank(shape, work, rank); });
}

const CaseTable table{
    {"loop-1x1-b8-2mb",
     [](const Options& o, Report* r) {
       return run_loop({1, 1, 2, {0, 1}}, o, r);
     }},
    {"loop-2x2-b8",
     [](const Options& o, Report* r) {
       return run_loop({2, 2, 1, {0, 1, 0, 1}}, o, r);
     }},
    {"loop-2x2-b8-noisy",
     [](const Options& o, Report* r) {
       return run_loop({2, 2, 1, {0, 1, 0, 1}, {1}}, o, r);
     }},
    {"loop-3x5-b8",
     [](const Options& o, Report* r) {
       return run_loop({3, 5, 1, {0, 1, 0, 0, 1, 1, 1, 1}}, o, r);
     }},
};

}  // namespace

}  // namespace switchyard::xccl::bench
