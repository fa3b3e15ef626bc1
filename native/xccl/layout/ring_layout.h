// One ring: the messages of one rank to another, in the receiver's control segment. Written by the sender alone, but for the offer words;
// the sender learns how far it was read from the acknowledgement that the receiver writes into the sender's own segment.
//
//   0       ack      line   what the writer of this ring has read of the opposite ring (seq of the last message)
//   64      fields   32 bytes a slot
//   then    offer words  lines of their own, of what the segment's owner offers in the opposite ring: the nonce of its link, and 8 bytes a
//                        slot there, which offers it has retracted
//   then    slots    slot_bytes each, page-aligned start
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "xccl/layout/small_bytes.h"
#include "xccl/layout/units.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint32_t kInlineBytesMax = kSmallBytesMax;

/// What a ring's field announces. 0 is none of them, so that zeroed memory is never a message.
enum class RingKind : uint32_t {
  kInline = 1,   // a whole message of at most 16 bytes, in the field
  kChunk = 2,    // the next part of a message, in the slot
  kRegion = 3,   // a whole message that the receiver is to pull from the sender's app (detail) or zc area
  kGivenUp = 4,  // the message begun before ends here: its sender gave up
  kOffer = 5     // a whole message that the receiver is to read out of the sender's own memory (link/memory_reader.h)
};

/// Everything of a field but its sequence number.
struct RingBody {
  uint32_t event;  // the caller's event id (tag)
  uint32_t head;   // RingHead
  union {
    SmallBytes payload;
    struct {
      uint64_t total_bytes;  // of the message
      uint64_t offset;       // of this chunk in it
    } chunk;
    struct {
      uint64_t num_bytes;
      uint64_t offset;  // in the area
    } region;
    struct {
      uint64_t num_bytes;
      uint64_t address;  // in the sender's process
    } offer;
  };
};

/// The packed second word of a body: bits 0..27 num_bytes (kInline, kChunk), or the area (kRegion) and kFreeCoreBit (kRegion, kOffer);
/// 28..30 kind; 31: the sender wants the acknowledgement at once.
struct RingHead {
  static constexpr uint32_t kKindShift = 28;
  static constexpr uint32_t kValueMask = (1u << kKindShift) - 1;
  static constexpr uint32_t kAckBit = 1u << 31;
  /// The sender does nothing but wait until its message is read: its core is free for the receiver's helping thread.
  static constexpr uint32_t kFreeCoreBit = 1u << 8;

  uint32_t bits = 0;

  static RingHead of(RingKind kind, uint32_t value, bool wants_ack) {
    return {(wants_ack ? kAckBit : 0) | static_cast<uint32_t>(kind) << kKindShift | value};
  }
  RingKind kind() const { return static_cast<RingKind>((bits & ~kAckBit) >> kKindShift); }
  uint32_t value() const { return bits & kValueMask; }
  bool wants_ack() const { return (bits & kAckBit) != 0; }
  uint32_t area() const { return value() & ~kFreeCoreBit; }
  bool is_core_free() const { return (bits & kFreeCoreBit) != 0; }
};

/// The paper's 32-byte metadata field, one a slot: the body first, then seq with release. Chunk number n (from 1 since the link
/// began) lies in slot (n - 1) mod num_slots.
struct RingField {
  std::atomic<uint64_t> seq;
  RingBody body;
};
static_assert(sizeof(RingBody) == 24 && sizeof(RingField) == 32);

struct RingLayout {
  RingShape shape;

  static constexpr uint64_t ack_offset() { return 0; }
  static constexpr uint64_t field(uint32_t slot) { return kLineBytes + uint64_t{slot} * sizeof(RingField); }
  uint64_t offer_words() const { return round_up(field(shape.num_slots), kLineBytes); }
  uint64_t slot(uint32_t slot) const {
    const uint64_t num_offer_words = uint64_t{1} + shape.num_slots;
    return round_up(offer_words() + num_offer_words * sizeof(uint64_t), kPageBytes) + uint64_t{slot} * shape.slot_bytes;
  }
  uint64_t total_bytes() const { return round_up(slot(shape.num_slots), kPageBytes); }
};

}  // namespace switchyard::xccl
