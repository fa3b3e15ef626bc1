// The collectives of a group, each on the rounds engine; GroupImpl's methods. They check this rank's own arguments first
// (InvalidArgument), so that whatever fails later is a fault of the group (docs/xccl.md, "Collectives").
#pragma once

#include "xccl/group.h"
#include "xccl/group/rounds.h"

namespace switchyard::xccl {

Status group_barrier(Rounds& rounds, uint32_t event, Deadline deadline);
Status group_broadcast(Rounds& rounds, const BroadcastArgs& args, Deadline deadline);
Status group_all_gather(Rounds& rounds, const AllGatherArgs& args, Deadline deadline);
Status group_all_gather_variable(Rounds& rounds, const AllGatherVariableArgs& args, Deadline deadline);
Status group_reduce_scatter(Rounds& rounds, const ReduceArgs& args, Deadline deadline);
Status group_all_reduce(Rounds& rounds, const ReduceArgs& args, Deadline deadline);

}  // namespace switchyard::xccl
