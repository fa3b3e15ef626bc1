// A toy expert layer over A2E/E2A for the tests: random routings, the answer that the experts must give, and an expert loop.
#pragma once

#include <atomic>
#include <cstring>
#include <map>
#include <thread>

#include "xccl/test_support.h"

namespace switchyard::xccl::testing {

/// What expert `expert` of any rank makes of one row: a byte-wise function, so that order and mixing errors show.
inline void toy_expert(uint32_t expert, const std::byte* in, std::byte* out, uint32_t num_bytes) {
  for (uint32_t i = 0; i < num_bytes; ++i) {
    out[i] = static_cast<std::byte>(static_cast<uint32_t>(in[i]) * 3 + expert * 17 + i);
  }
}

/// One message's worth of random routing to one rank, and its expected answer.
struct Routing {
  std::vector<uint32_t> expert_counts;
  std::vector<uint32_t> pair_rows;
  std::vector<uint32_t> row_index;
  std::vector<std::byte> expected;  // [num_pairs][row_bytes]
};

/// The lists of one part from its tokens by local expert, ascending.
inline Routing routing_of(const std::vector<std::byte>& rows, uint32_t row_bytes, uint32_t num_tokens,
                          const std::vector<std::vector<uint32_t>>& tokens_of_expert) {
  constexpr uint32_t kNotThere = ~0u;
  Routing routing;
  std::vector<uint32_t> row_of(num_tokens, kNotThere);
  for (uint32_t expert = 0; expert < tokens_of_expert.size(); ++expert) {
    routing.expert_counts.push_back(static_cast<uint32_t>(tokens_of_expert[expert].size()));
    for (const uint32_t token : tokens_of_expert[expert]) {
      if (row_of[token] == kNotThere) {
        row_of[token] = static_cast<uint32_t>(routing.row_index.size());
        routing.row_index.push_back(token);
      }
      routing.pair_rows.push_back(row_of[token]);
      const size_t at = routing.expected.size();
      routing.expected.resize(at + row_bytes);
      toy_expert(expert, rows.data() + token * row_bytes, routing.expected.data() + at, row_bytes);
    }
  }
  return routing;
}

/// Every chosen row visits 1 to top_k experts; `num_rows` may be 0.
inline Routing random_routing(Random& random, const std::vector<std::byte>& rows, uint32_t row_bytes, uint32_t num_rows,
                              uint32_t num_experts) {
  Routing routing;
  const auto num_tokens = static_cast<uint32_t>(rows.size() / row_bytes);
  std::map<uint32_t, std::vector<uint32_t>> rows_of_expert;
  for (uint32_t row = 0; row < num_rows; ++row) {
    routing.row_index.push_back(random.below(num_tokens));
    const uint32_t num_visits = 1 + random.below(kShape.top_k);
    for (uint32_t visit = 0; visit < num_visits; ++visit)
      rows_of_expert[(row * 5 + visit) % num_experts].push_back(row);
  }
  for (uint32_t expert = 0; expert < num_experts; ++expert) {
    routing.expert_counts.push_back(static_cast<uint32_t>(rows_of_expert[expert].size()));
    for (const uint32_t row : rows_of_expert[expert]) {
      routing.pair_rows.push_back(row);
      const size_t at = routing.expected.size();
      routing.expected.resize(at + row_bytes);
      toy_expert(expert, rows.data() + routing.row_index[row] * row_bytes, routing.expected.data() + at, row_bytes);
    }
  }
  return routing;
}

inline std::vector<std::byte> random_rows(Random& random, uint32_t num_tokens, uint32_t row_bytes) {
  std::vector<std::byte> rows(num_tokens * row_bytes);
  for (std::byte& value : rows) value = static_cast<std::byte>(random.next());
  return rows;
}

inline A2eMessage message_of(const Routing& routing, const std::vector<std::byte>& rows, uint32_t row_bytes,
                             EventId event) {
  A2eMessage message;
  message.event = event;
  message.placement_version = 7;
  message.active_mask = ~uint64_t{0};
  message.expert_counts = routing.expert_counts;
  message.pair_rows = routing.pair_rows;
  message.rows = rows.data();
  message.row_bytes = row_bytes;
  message.row_index = routing.row_index;
  return message;
}

inline bool is_expected(const E2aView& view, const Routing& routing, uint32_t row_bytes) {
  return view.num_pairs == routing.pair_rows.size() && view.row_bytes == row_bytes &&
         (view.num_pairs == 0 || std::memcmp(view.rows, routing.expected.data(), routing.expected.size()) == 0);
}

/// Computes one view's answer row by row.
inline Status answer_view(ExpertEndpoint& endpoint, const A2eView& view) {
  std::vector<std::byte> out(view.row_bytes);
  uint32_t pair = 0;
  for (uint32_t expert = 0; expert < view.expert_counts.size(); ++expert) {
    for (uint32_t i = 0; i < view.expert_counts[expert]; ++i, ++pair) {
      toy_expert(expert, view.rows + view.pair_rows[pair] * view.row_bytes, out.data(), view.row_bytes);
      (void)endpoint.reply_row(view, pair, out.data());
    }
  }
  return endpoint.finish(view);
}

/// Serves until the communicator is closed.
inline void serve_experts(Communicator& member) {
  std::vector<A2eView> views;
  for (;;) {
    views.clear();
    const Status status = member.expert()->wait_any(deadline_in(100ms), &views);
    if (status.code() == Code::kClosed) return;
    for (const A2eView& view : views) (void)answer_view(*member.expert(), view);
  }
}

/// serve_experts on a thread of its own; close the member before this goes.
class ExpertThread {
 public:
  explicit ExpertThread(Member member) : thread_([member] { serve_experts(*member); }) {}
  ~ExpertThread() { thread_.join(); }

 private:
  std::thread thread_;
};

}  // namespace switchyard::xccl::testing
