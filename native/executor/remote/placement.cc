#include "executor/remote/placement.h"

#include <algorithm>
#include <string>

namespace switchyard::executor {

std::vector<int32_t> ExpertPlacement::experts_of(int32_t rank) const {
  std::vector<int32_t> experts;
  for (size_t e = 0; e < expert_to_rank.size(); ++e) {
    if (expert_to_rank[e] == rank) experts.push_back(static_cast<int32_t>(e));
  }
  return experts;
}

Status check_placement(const ModelSpec& spec, const ExpertPlacement& placement,
                       const xccl::CommunicatorConfig& config) {
  const auto invalid = [](const std::string& what) { return Status(Code::kInvalidArgument, what); };
  const xccl::ExchangeShape& shape = config.exchange;
  if (static_cast<int>(placement.expert_to_rank.size()) != spec.num_ffn_units())
    return invalid("experts.expertToRank must name a rank for each expert, or for each layer of a dense model");
  if (placement.timeout_ms < 1) return invalid("experts.timeoutMs must be positive");
  if (shape.max_tokens == 0) return invalid("the communicator has no exchange, which remote experts need");
  if (shape.row_bytes < spec.expert_row_bytes())
    return invalid("exchange.rowBytes is below the " + std::to_string(spec.expert_row_bytes()) + " of a row");
  for (const int32_t rank : placement.expert_to_rank) {
    if (rank < 0 || rank >= static_cast<int32_t>(config.max_ranks))
      return invalid("experts.expertToRank names rank " + std::to_string(rank));
    const size_t count = std::count(placement.expert_to_rank.begin(), placement.expert_to_rank.end(), rank);
    if (count > shape.max_local_experts)
      return invalid("exchange.maxLocalExperts is below the " + std::to_string(count) + " experts of rank " +
                     std::to_string(rank));
    if (std::min<size_t>(count, spec.ffn_units_per_token()) > shape.top_k)
      return invalid("exchange.topK is below the experts that a token may visit on rank " + std::to_string(rank));
  }
  return {};
}

}  // namespace switchyard::executor
