// One ring: the messages of one rank to another, in the receiver's control segment. Written by the sender alone; the sender
// learns how far it was read from the acknowledgement that the receiver writes into the sender's own segment.
//
//   0       ack      line   what the writer of this ring has read of the opposite ring (seq of the last message)
//   64      fields   32 bytes a slot
//   then    slots    slot_bytes each, page-aligned start
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "xccl/layout/units.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint32_t kInlineBytesMax = 16;

/// The paper's 32-byte metadata field, one a slot: everything else first, then seq with release. Chunk number n (from 1 since
/// the link began) lies in slot (n - 1) mod num_slots.
struct RingField {
  std::atomic<uint64_t> seq;
  uint32_t event;      // the caller's event id (tag)
  uint32_t num_bytes;  // of this chunk
  union {
    uint8_t payload[kInlineBytesMax];  // of a message of at most 16 bytes
    struct {
      uint64_t total_bytes;  // of the message
      uint64_t offset;       // of this chunk in it
    } chunk;
  };
};
static_assert(sizeof(RingField) == 32);

struct RingLayout {
  RingShape shape;

  static constexpr uint64_t ack_offset() { return 0; }
  static constexpr uint64_t field(uint32_t slot) { return kLineBytes + uint64_t{slot} * sizeof(RingField); }
  uint64_t slot(uint32_t slot) const {
    return round_up(field(shape.num_slots), kPageBytes) + uint64_t{slot} * shape.slot_bytes;
  }
  uint64_t total_bytes() const { return round_up(slot(shape.num_slots), kPageBytes); }
};

}  // namespace switchyard::xccl
