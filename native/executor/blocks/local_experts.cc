#include "executor/blocks/local_experts.h"

namespace switchyard::executor {

Status LocalExperts::finish(const ExpertBatch& batch, std::byte* room, const std::byte** outputs) {
  const int top_k = spec_.ffn_units_per_token();
  const int num_pairs = batch.num_rows * top_k;
  const int num_experts = spec_.num_ffn_units();
  group_end_.assign(num_experts + 1, 0);
  for (int p = 0; p < num_pairs; ++p) ++group_end_[batch.expert_ids[p] + 1];
  for (int e = 0; e < num_experts; ++e) group_end_[e + 1] += group_end_[e];
  // Counting sort: after it group_end_[e] is where expert e's pairs end, and they began where e - 1's end.
  pairs_.resize(num_pairs);
  for (int p = 0; p < num_pairs; ++p) pairs_[group_end_[batch.expert_ids[p]]++] = p;
  together_.clear();
  int first = 0;  // pair of together_
  for (int e = 0; e < num_experts; ++e) {
    const int end = group_end_[e];
    const int begin = e == 0 ? 0 : group_end_[e - 1];
    if (end > begin) together_.push_back({e, end - begin});
    if (end == first || (end - first < ExpertBank::kRowsTogether && e + 1 < num_experts)) continue;
    run_together(batch, std::span(pairs_).subspan(first, end - first), room + first * spec_.expert_row_bytes(),
                 outputs);
    together_.clear();
    first = end;
  }
  return {};
}

/// together_, whose pairs these are.
void LocalExperts::run_together(const ExpertBatch& batch, std::span<const int32_t> pairs, std::byte* room,
                                const std::byte** outputs) {
  const size_t row_bytes = spec_.expert_row_bytes();
  group_rows_.clear();
  for (const int32_t pair : pairs) group_rows_.push_back(batch.rows + pair / spec_.ffn_units_per_token() * row_bytes);
  bank_.run(pool_, batch.layer, together_, group_rows_, room);
  for (size_t i = 0; i < pairs.size(); ++i) outputs[pairs[i]] = room + i * row_bytes;
}

}  // namespace switchyard::executor
