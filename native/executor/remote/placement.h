// Which rank of the communicator owns which routed expert, or the FFN of which layer of a dense model: "expert" means both here. An expert's index in messages to its rank ("local index") is its place among that
// rank's experts in ascending id. Shared by the attention side (RemoteExperts) and the expert side (ExpertServer).
#pragma once

#include <cstdint>
#include <vector>

#include "executor/model_spec.h"
#include "xccl/types.h"

namespace switchyard::executor {

struct ExpertPlacement {
  uint64_t version = 0;
  std::vector<int32_t> expert_to_rank;  // [num_ffn_units]
  int timeout_ms = 1000;

  /// Experts of a rank in ascending id.
  std::vector<int32_t> experts_of(int32_t rank) const;
};

/// INVALID_ARGUMENT when the placement does not fit the model, or model and placement do not fit the communicator's exchange.
Status check_placement(const ModelSpec& spec, const ExpertPlacement& placement, const xccl::CommunicatorConfig& config);

}  // namespace switchyard::executor
