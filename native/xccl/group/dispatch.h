// Dispatch: takes this member's tokens to the members of their experts, in one round. Rows lie once, in token order, whatever
// number of members pull them: in the managed area (quantised on the way in where the wire format is narrower), or where the
// caller has them. Used by ExpertParallelImpl.
#pragma once

#include "xccl/group/rounds.h"
#include "xccl/group/route_plan.h"

namespace switchyard::xccl {

class Dispatch {
 public:
  Dispatch(Rounds& rounds, const ExpertMap& map);

  /// Own arguments: before the call.
  Status check(const DispatchArgs& args);
  /// Inside the call.
  Status run(const DispatchArgs& args);

  DispatchResult result() const { return {rows_.get(), expert_counts_, {pairs_.get(), num_pairs_here_}}; }
  const RoutePlan& plan() const { return plan_; }
  uint64_t num_pairs_here() const { return num_pairs_here_; }
  /// All outputs of a member's experts: how many there are, and where those of this rank's pairs of an expert begin among them.
  uint64_t num_outputs(uint32_t member) const;
  uint64_t first_output(uint32_t expert) const { return first_output_[expert]; }

 private:
  struct Block {
    RouteHead head;
    const uint32_t* counts;
    const uint32_t* tokens;
    const uint32_t* pairs;
  };

  Status publish(const DispatchArgs& args);
  Status take(const Arrival& arrival);
  Status read_block(const Arrival& arrival);
  Status check_block(uint32_t member, const Block& block);
  bool do_pairs_ascend(const Block& block) const;
  Status pull_rows(const Arrival& arrival, const Block& block);
  void add_up_counts();
  void group_pairs();
  Block block_of(uint32_t member) const;
  uint32_t* block_data(uint32_t member) const { return blocks_.get() + member * block_bytes_ / 4; }

  Rounds& rounds_;
  const ExpertMap& map_;
  RoutePlan plan_;
  const uint64_t block_bytes_;           // from one member's block to the next
  std::unique_ptr<uint32_t[]> blocks_;   // [num_members][block_bytes / 4]: private copies
  std::unique_ptr<std::byte[]> rows_;    // [num_members][max_tokens][row_bytes]
  std::vector<uint32_t> expert_counts_;  // [experts here]
  std::unique_ptr<PairRef[]> pairs_;     // [num_members * max_tokens * top_k]
  uint64_t num_pairs_here_ = 0;
  std::vector<uint64_t> total_counts_;  // [num_experts]: of all members' tokens
  std::vector<uint64_t> first_output_;  // [num_experts]
};

}  // namespace switchyard::xccl
