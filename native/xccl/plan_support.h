// A pod of attention and expert ranks for tests of whole exchanges: any mode and pace, random batches, expert threads, and the answer
// that each part must give.
#pragma once

#include <bit>

#include "xccl/coll/exchange_plan.h"
#include "xccl/exchange_support.h"

namespace switchyard::xccl::testing {

/// Who is what: attention ranks from 0, expert ranks behind them, or (is_shared) every rank both.
struct PodShape {
  uint32_t num_attention = 1;
  uint32_t num_experts = 1;
  bool is_shared = false;  // num_attention == num_experts then
  ExchangeMode mode = ExchangeMode::kDirect;
  ExchangePace pace = ExchangePace::kDataflow;
  std::chrono::milliseconds barrier_timeout{20'000};  // a busy machine slows everything

  uint32_t num_ranks() const { return is_shared ? num_experts : num_attention + num_experts; }
  uint32_t first_expert() const { return is_shared ? 0 : num_attention; }
  uint64_t attention_mask() const { return (uint64_t{1} << num_attention) - 1; }
  uint64_t expert_mask() const { return ((uint64_t{1} << num_experts) - 1) << first_expert(); }
  bool is_expert(uint32_t rank) const { return has_rank(expert_mask(), rank); }
};

inline CommunicatorConfig config_of_pod(const Folder& folder, const PodShape& shape, uint32_t rank,
                                        uint64_t epoch = 1) {
  CommunicatorConfig config = config_of(folder, rank, epoch);
  config.app_bytes = config.zc_bytes = 4096;
  config.max_ranks = shape.num_ranks();
  config.exchange.max_parts = shape.mode == ExchangeMode::kTrampoline ? shape.num_experts : 0;
  config.exchange_plan = {shape.mode,          shape.pace, shape.attention_mask(),
                          shape.expert_mask(), {},         shape.barrier_timeout};
  config.liveness_timeout = 5s;  // sanitizers and a busy machine slow everything
  return config;
}

/// True when two ranks of a pod talk: by A2E/E2A, or as forwarder and expert.
inline bool are_linked(const PodShape& shape, uint32_t a, uint32_t b) {
  return shape.is_expert(a) || shape.is_expert(b);
}

class Pod {
 public:
  explicit Pod(const PodShape& shape) : shape_(shape) {
    for (uint32_t rank = 0; rank < shape.num_ranks(); ++rank)
      members_.push_back(make_member(config_of_pod(folder_, shape, rank)));
    for (uint32_t a = 0; a < shape.num_ranks(); ++a) {
      for (uint32_t b = 0; b < a; ++b) {
        if (are_linked(shape, a, b)) expect_each_other(folder_, *members_[a], *members_[b]);
      }
    }
    for (uint32_t a = 0; a < shape.num_ranks(); ++a) {
      for (uint32_t b = 0; b < shape.num_ranks(); ++b) {
        if (a != b && are_linked(shape, a, b))
          CHECK(is_code(members_[a]->wait_linked(b, 1, deadline_in(10s)), Code::kOk));
      }
    }
  }
  ~Pod() { close(); }
  Pod(const Pod&) = delete;
  void close() {
    for (const Member& member : members_) member->close();
  }

  const Folder& folder() const { return folder_; }
  const PodShape& shape() const { return shape_; }
  Communicator& at(uint32_t rank) { return *members_[rank]; }
  Member& member(uint32_t rank) { return members_[rank]; }

 private:
  Folder folder_;
  PodShape shape_;
  std::vector<Member> members_;
};

/// One attention rank's random rows and routing for all expert ranks.
struct RandomBatch {
  std::vector<std::byte> rows;
  std::vector<Routing> routings;  // by part
  std::vector<A2ePart> parts;
  A2eBatch batch;
};

/// Each token visits up to top_k experts wherever they are; an expert rank may get nothing, and so may all.
inline void fill_batch(Random& random, const PodShape& shape, const EventId& event, RandomBatch* out) {
  const uint32_t row_bytes = 1 + random.below(kShape.row_bytes);
  const uint32_t num_tokens = random.below(kShape.max_tokens + 1);
  out->rows = random_rows(random, num_tokens, row_bytes);
  std::vector<std::vector<std::vector<uint32_t>>> tokens(shape.num_experts,
                                                         std::vector<std::vector<uint32_t>>(kShape.max_local_experts));
  for (uint32_t token = 0; token < num_tokens; ++token) {
    const uint32_t first = random.below(shape.num_experts * kShape.max_local_experts);
    const uint32_t num_visits = 1 + random.below(kShape.top_k);
    for (uint32_t visit = 0; visit < num_visits; ++visit) {
      const uint32_t expert = (first + visit * 7) % (shape.num_experts * kShape.max_local_experts);
      std::vector<uint32_t>& list = tokens[expert / kShape.max_local_experts][expert % kShape.max_local_experts];
      if (list.empty() || list.back() != token) list.push_back(token);
    }
  }
  out->routings.assign(shape.num_experts, {});
  out->parts.clear();
  for (uint32_t e = 0; e < shape.num_experts; ++e) {
    out->routings[e] = routing_of(out->rows, row_bytes, num_tokens, tokens[e]);
    const Routing& routing = out->routings[e];
    if (!routing.pair_rows.empty() || random.below(2) == 0)
      out->parts.push_back({shape.first_expert() + e, routing.expert_counts, routing.pair_rows, routing.row_index});
  }
  out->batch = {event, 7, ~uint64_t{0}, out->rows.data(), num_tokens, row_bytes, out->parts, {}};
}

/// True when every expert rank with pairs gave the expected rows, and no other rank any.
inline bool is_answered(AttentionEndpoint& endpoint, const PodShape& shape, const RandomBatch& batch) {
  bool is_right = true;
  for (uint32_t e = 0; e < shape.num_experts; ++e) {
    const Routing& routing = batch.routings[e];
    if (routing.pair_rows.empty()) continue;
    const E2aView view = endpoint.view(shape.first_expert() + e, batch.batch.event.micro_batch);
    is_right = is_right && is_expected(view, routing, batch.batch.row_bytes);
  }
  return is_right;
}

}  // namespace switchyard::xccl::testing
