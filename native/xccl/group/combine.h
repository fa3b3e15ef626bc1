// Combine: takes the experts' outputs back to the members of the tokens, in one round, and sums them there in gate order. Outputs
// are read where they lie, without a copy, when the fabric maps the members' memory. Used by ExpertParallelImpl.
#pragma once

#include "xccl/group/dispatch.h"

namespace switchyard::xccl {

class Combine {
 public:
  Combine(Rounds& rounds, const ExpertMap& map, const Dispatch& dispatch);

  /// Own arguments: before the call.
  Status check(const CombineArgs& args) const;
  /// Inside the call.
  Status run(const CombineArgs& args);

 private:
  /// What one token's sum reads, in gate order.
  struct TokenRows {
    const std::byte* outputs[kTopKMax];
    float gates[kTopKMax];
    uint32_t num_outputs = 0;
  };

  std::span<const std::byte> outputs_of(const CombineArgs& args) const;
  Status publish(const CombineArgs& args);
  Status take(const Arrival& arrival);
  Status pull_outputs(const Arrival& arrival, uint32_t expert);
  void sum_tokens(const CombineArgs& args) const;
  void find_rows(const CombineArgs& args, uint32_t token, TokenRows* rows) const;

  Rounds& rounds_;
  const ExpertMap& map_;
  const Dispatch& dispatch_;
  std::vector<const std::byte*> outputs_;  // [num_experts]: this rank's first output of each
  std::unique_ptr<std::byte[]>
      pulled_;  // [max_tokens * top_k][row_bytes] by (expert, token): what cannot be read in place
};

}  // namespace switchyard::xccl
