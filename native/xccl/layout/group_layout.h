// One group's part of a control segment: the publications of its members, and the owner's managed area that they pull from.
//
//   0       fields        three lines a rank; entry r is written by rank r alone (the owner zeroes it between two epochs of r)
//   then    managed area  two halves of max_ranks partitions each, page-aligned start; written by the owner alone, read by peers
//
// Round n of a group uses line and half n mod 2: a member is one round ahead of another at most, so nothing is overwritten that
// somebody may still read (docs/xccl.md, "Groups").
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "xccl/layout/units.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint32_t kNumHalves = 2;
inline constexpr uint32_t kGroupInlineWords = 3;
inline constexpr uint32_t kGroupInlineBytesMax = kGroupInlineWords * sizeof(uint64_t);

/// Where the bytes of a contribution lie.
enum class GroupSource : uint16_t {
  kInline = 0,   // in the field itself
  kManaged = 1,  // in the round's half of the publisher's managed area
  kApp = 2,      // in the publisher's app area
  kZc = 3,       // in the publisher's zero-copy area
};

/// What a member publishes for one other member in one round.
struct GroupFieldBody {
  uint32_t event;      // the caller's event id
  uint16_t operation;  // kind of the call, so that two members in different calls notice
  GroupSource source;
  uint64_t num_bytes;  // of the contribution
  uint64_t agreed;     // must be equal in all members of a round (root, type, size: the operation packs it)
  uint64_t detail;     // what the operation needs besides, free for each member
  union {
    uint64_t payload[kGroupInlineWords];
    uint64_t offset;  // from the start of the half or area
  };
};

/// Sequence and control words: the group's generation above, below a round (2^44 of them last for years) or a code.
inline constexpr uint32_t kGroupGenerationShift = 44;
inline constexpr uint32_t kGroupGenerationMax = (1u << (64 - kGroupGenerationShift)) - 1;

/// The body is written first, then seq: generation and round, rounds from 1.
struct alignas(kLineBytes) GroupField {
  std::atomic<uint64_t> seq;
  GroupFieldBody body;
};

/// Generation and code: the generation that the member has opened, and why it gave up, if it did.
struct alignas(kLineBytes) GroupControl {
  std::atomic<uint64_t> word;
};

/// All that one rank writes here.
struct GroupFields {
  GroupControl control;
  GroupField halves[kNumHalves];
};
static_assert(sizeof(GroupFieldBody) == 56 && sizeof(GroupField) == kLineBytes &&
              sizeof(GroupFields) == 3 * kLineBytes);

struct GroupLayout {
  GroupShape shape;
  uint32_t max_ranks;

  static constexpr uint64_t fields(uint32_t rank) { return uint64_t{rank} * sizeof(GroupFields); }
  uint64_t half_bytes() const { return max_ranks * shape.partition_bytes; }
  uint64_t half(uint32_t half) const { return round_up(fields(max_ranks), kPageBytes) + half * half_bytes(); }
  uint64_t total_bytes() const { return round_up(half(kNumHalves), kPageBytes); }
};

}  // namespace switchyard::xccl
