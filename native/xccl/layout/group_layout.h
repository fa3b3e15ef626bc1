// One group's part of a control segment: the publications of its members, and the owner's managed area that they pull from.
//
//   0       fields        one line a rank; entry r is written by rank r alone
//   then    managed area  [half][rank]: partition_bytes each, page-aligned start; written by the owner alone, read by peers
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "xccl/layout/units.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint32_t kNumHalves = 2;

/// What a member publishes in one round: everything else first, then seq with release.
struct alignas(kLineBytes) GroupField {
  std::atomic<uint64_t> seq;  // (generation << 32) | round, rounds from 1
  uint32_t operation;         // kind of the collective, so that two members in different calls notice
  uint32_t event;             // the caller's event id
  uint64_t num_bytes;         // for this rank, in the publisher's managed area
  uint64_t detail[5];         // what the operation needs besides
};
static_assert(sizeof(GroupField) == kLineBytes);

struct GroupLayout {
  GroupShape shape;
  uint32_t max_ranks;

  static constexpr uint64_t field(uint32_t rank) { return uint64_t{rank} * sizeof(GroupField); }
  uint64_t partition(uint32_t half, uint32_t rank) const {
    return round_up(field(max_ranks), kPageBytes) + (uint64_t{half} * max_ranks + rank) * shape.partition_bytes;
  }
  uint64_t total_bytes() const { return round_up(partition(kNumHalves, 0), kPageBytes); }
};

}  // namespace switchyard::xccl
