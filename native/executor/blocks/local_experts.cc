#include "executor/blocks/local_experts.h"

#include <cstring>

namespace switchyard::executor {

Status LocalExperts::finish(const ExpertBatch& batch, std::byte* pair_out) {
  const int top_k = spec_.ffn_units_per_token();
  const int num_pairs = batch.num_rows * top_k;
  const int num_experts = spec_.num_ffn_units();
  group_end_.assign(num_experts + 1, 0);
  for (int p = 0; p < num_pairs; ++p) ++group_end_[batch.expert_ids[p] + 1];
  for (int e = 0; e < num_experts; ++e) group_end_[e + 1] += group_end_[e];
  // Counting sort: after it group_end_[e] is where expert e's pairs end, and they began where e - 1's end.
  pairs_.resize(num_pairs);
  for (int p = 0; p < num_pairs; ++p) pairs_[group_end_[batch.expert_ids[p]]++] = p;
  int first = 0;
  for (int e = 0; e < num_experts; ++e) {
    const int count = group_end_[e] - first;
    if (count > 0) run_expert(batch, e, std::span(pairs_).subspan(first, count), pair_out);
    first = group_end_[e];
  }
  return {};
}

void LocalExperts::run_expert(const ExpertBatch& batch, int expert, std::span<const int32_t> pairs,
                              std::byte* pair_out) {
  const size_t row_bytes = spec_.expert_row_bytes();
  group_rows_.clear();
  for (const int32_t pair : pairs) group_rows_.push_back(batch.rows + pair / spec_.ffn_units_per_token() * row_bytes);
  const std::byte* out = bank_.run(pool_, batch.layer, expert, group_rows_);
  for (size_t i = 0; i < pairs.size(); ++i)
    std::memcpy(pair_out + pairs[i] * row_bytes, out + i * row_bytes, row_bytes);
}

}  // namespace switchyard::executor
