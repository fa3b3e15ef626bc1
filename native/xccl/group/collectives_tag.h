// What the members of a collective must agree upon, packed into the tag's one number, and how errors say it. Used by the
// collectives alone.
#pragma once

#include "xccl/group.h"
#include "xccl/group/rounds.h"

namespace switchyard::xccl {

inline constexpr uint64_t kCollectiveBytesMax = (1ull << 48) - 1;

/// Bits 0..47 num_bytes, 48..55 root rank + 1, 56..59 element type + 1, 60: sizes are each member's own. 0 where it is not of the
/// operation.
CallTag tag_of_any_size(Operation operation, uint32_t event);
CallTag tag_of_size(Operation operation, uint32_t event, uint64_t num_bytes);
CallTag tag_of_root(Operation operation, uint32_t event, uint64_t num_bytes, uint32_t root_rank);
CallTag tag_of_type(Operation operation, uint32_t event, uint64_t num_bytes, ElementType type);

/// An InvalidArgument of this rank's own, in the words of the call.
Status invalid_call(Operation operation, const std::string& text);

}  // namespace switchyard::xccl
