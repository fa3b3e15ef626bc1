// Which shapes are possible: for an own configuration (InvalidArgument says why not) and for what a peer announces.
#pragma once

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint64_t kSegmentBytesMax = 1ull << 40;

/// OK when each part is absent (all zero) or within its limits and the control segment stays under 1 TiB.
Status check_shapes(const Shapes& shapes, uint32_t max_ranks);

}  // namespace switchyard::xccl
