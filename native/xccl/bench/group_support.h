// What the benches of groups share: one group of all ranks of a case.
#pragma once

#include <numeric>

#include "xccl/bench/harness.h"
#include "xccl/group.h"

namespace switchyard::xccl::bench {

inline Status open_group_of_all(Rank& rank, std::shared_ptr<Group>* out) {
  xccl::GroupSpec spec{0, 1, std::vector<uint32_t>(rank.num_ranks())};
  std::iota(spec.ranks.begin(), spec.ranks.end(), 0u);
  return rank.communicator().open_group(spec, out);
}

}  // namespace switchyard::xccl::bench
