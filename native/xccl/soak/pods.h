// Pods: the part of a soak run that kills ranks of whole exchanges: direct and over the trampoline, as dataflow and at barrier
// pace. Each round is a pod of processes of its own, of a random shape; a few of its ranks are killed and replaced, at random moments
// of a step (pod_kill_support.h). Survivors hold at its end what they held at its start.
#pragma once

#include "xccl/soak/board.h"
#include "xccl/soak/report.h"

namespace switchyard::xccl::soak {

/// As many rounds as it takes, one row for each mode and pace. True when all went well. Otherwise the board has the first failure's
/// text, unless the run was interrupted (interrupt.h). Call it without threads or other descendants.
bool run_pods(Board& board, uint64_t seed, uint32_t num_kills, std::vector<PodRow>* rows);

}  // namespace switchyard::xccl::soak
