// Which cores the ranks of a communicator run on, and whether they have to share them; pinning. Used by the rank itself (what it
// announces in its control segment), by its broker (crowding) and by who starts ranks (plan_pinning). Policy only: a wrong mask
// costs time, never correctness.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"

namespace switchyard::xccl {

/// Bit (core mod 64): the cores that a rank's waiting thread may run on. 0: not announced.
using CoreMask = uint64_t;

constexpr CoreMask core_bit(uint32_t core) { return CoreMask{1} << (core % 64); }

/// The cores that the calling thread may run on.
CoreMask allowed_cores();

/// `pin_cores` as a mask; the calling thread's cores when it is empty.
CoreMask cores_of(std::span<const uint32_t> pin_cores);

/// Binds a thread of this process, or the calling one (0), to one core. InvalidArgument when this process may not run there.
Status pin_thread(pid_t thread_id, uint32_t core);

/// Binds the calling thread to those of `cores` that it may run on; false when there are none, or the mask names no core.
bool keep_this_thread_on(CoreMask cores);

/// Must a rank expect that spinning keeps the core from a rank it waits for? True when the ranks that can run nowhere but on
/// this rank's cores (itself among them) outnumber those, or all ranks outnumber all cores. `num_ranks_min` counts ranks that are
/// known to be here and not linked yet.
bool is_crowded(CoreMask own, std::span<const CoreMask> peers, uint32_t num_ranks_min);

/// A core for each rank of a pod of unequal groups.
struct PinningPlan {
  std::vector<uint32_t> attention;  // [num_attention]
  std::vector<uint32_t> expert;     // [num_expert]
};

/// A core each where there are enough; otherwise an attention rank and an expert rank share one as a pair (they never work at the
/// same time on the same micro-batch), and what is left over goes round the cores. `cores` must not be empty.
PinningPlan plan_pinning(uint32_t num_attention, uint32_t num_expert, std::span<const uint32_t> cores);

}  // namespace switchyard::xccl
