// What a process holds of the system: a rank that outlives many peers must hold the same at the end as at the start.
#pragma once

#include <sys/types.h>

#include "xccl/soak/board.h"

namespace switchyard::xccl::soak {

/// Counts open descriptors, threads, and mappings of XCCL's segments in /proc/`pid`.
void take_census(pid_t pid, Census* out);

}  // namespace switchyard::xccl::soak
