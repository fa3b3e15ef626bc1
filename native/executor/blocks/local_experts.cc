#include "executor/blocks/local_experts.h"

#include <cstring>

namespace switchyard::executor {

Status LocalExperts::finish(const ExpertBatch& batch, float* pair_out) {
  const int top_k = spec_.ffn_units_per_token();
  const int num_pairs = batch.num_rows * top_k;
  const int num_experts = spec_.num_ffn_units();
  const size_t hidden = spec_.hidden_size;
  group_end_.assign(num_experts + 1, 0);
  for (int p = 0; p < num_pairs; ++p) ++group_end_[batch.expert_ids[p] + 1];
  for (int e = 0; e < num_experts; ++e) group_end_[e + 1] += group_end_[e];
  // Counting sort: after it group_end_[e] is where expert e's pairs end, and they began where e - 1's end.
  pairs_.resize(num_pairs);
  for (int p = 0; p < num_pairs; ++p) pairs_[group_end_[batch.expert_ids[p]]++] = p;
  int first = 0;
  for (int e = 0; e < num_experts; ++e) {
    const int count = group_end_[e] - first;
    if (count > 0) {
      group_x_.resize(std::max(group_x_.size(), count * hidden));
      group_y_.resize(group_x_.size());
      for (int i = 0; i < count; ++i)
        std::memcpy(&group_x_[i * hidden], batch.x + pairs_[first + i] / top_k * hidden, hidden * sizeof(float));
      bank_.run(pool_, batch.layer, e, group_x_.data(), group_y_.data(), count);
      for (int i = 0; i < count; ++i)
        std::memcpy(pair_out + pairs_[first + i] * hidden, &group_y_[i * hidden], hidden * sizeof(float));
    }
    first = group_end_[e];
  }
  return {};
}

}  // namespace switchyard::executor
