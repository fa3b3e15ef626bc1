// Adds what the members contributed in one round, in tree order by member: straight from their memory where the fabric can map
// it, else pulled block by block into a small scratch. Called by reduce_scatter and all_reduce inside a call.
#pragma once

#include "xccl/group/collectives_source.h"

namespace switchyard::xccl {

/// out = sum over the members of [0, out.size()) of their contributions; whole elements. This rank's own are at `own`, which may be
/// `out`, whatever it published to itself. Corrupt when a member's are fewer.
Status reduce_arrivals(Rounds& rounds, const Arrivals& arrivals, ElementType type, const std::byte* own,
                       std::span<std::byte> out);

}  // namespace switchyard::xccl
