// One ring: the messages of one rank to another, in the receiver's control segment. Written by the sender alone, but for the offer words;
// the sender learns how far it was read from the acknowledgement that the receiver writes into the sender's own segment.
//
//   0       ack      line   what the writer of this ring has read of the opposite ring: RingAck
//   64      fields   32 bytes a slot
//   then    offer words  lines of their own, of what the segment's owner offers in the opposite ring: the nonce of its link, and 8 bytes a
//                        slot there, which offers it has retracted
//   then    slots    slot_bytes each, page-aligned start
#pragma once

#include <algorithm>
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

/// The packed second word of a body: bits 0..26 num_bytes (kInline, kChunk), or the area (kRegion) and kFreeCoreBit (kRegion, kOffer);
/// 27: the sender wants to know what taking the message takes; 28..30 kind; 31: it wants the acknowledgement at once.
struct RingHead {
  static constexpr uint32_t kKindShift = 28;
  static constexpr uint32_t kTimedBit = 1u << 27;
  static constexpr uint32_t kValueMask = kTimedBit - 1;
  static constexpr uint32_t kAckBit = 1u << 31;
  /// The sender does nothing but wait until its message is read: its core is free for the receiver's helping thread.
  static constexpr uint32_t kFreeCoreBit = 1u << 8;

  uint32_t bits = 0;

  static RingHead of(RingKind kind, uint32_t value, bool wants_ack) {
    return {(wants_ack ? kAckBit : 0) | static_cast<uint32_t>(kind) << kKindShift | value};
  }
  RingHead timed(bool is_timed) const { return {bits | (is_timed ? kTimedBit : 0)}; }
  RingKind kind() const { return static_cast<RingKind>((bits & ~kAckBit) >> kKindShift); }
  uint32_t value() const { return bits & kValueMask; }
  bool wants_ack() const { return (bits & kAckBit) != 0; }
  bool is_timed() const { return (bits & kTimedBit) != 0; }
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

/// What a timed message took its receiver: chunk << 32 | ns, of its last chunk the low half, and nothing above about 4 s.
struct TakenTime {
  uint64_t bits = 0;

  static TakenTime of(uint64_t chunk, uint64_t ns) { return {chunk << 32 | std::min<uint64_t>(ns, UINT32_MAX)}; }
  bool is_of(uint64_t chunk) const { return bits >> 32 == static_cast<uint32_t>(chunk); }
  uint64_t ns() const { return static_cast<uint32_t>(bits); }
};

/// `taken_time` is written before the acknowledgement of that chunk. Advice: whatever it holds, the worst that follows is the slower way.
struct alignas(kLineBytes) RingAck {
  std::atomic<uint64_t> seq;         // of the last chunk that was read
  std::atomic<uint64_t> taken_time;  // TakenTime of the last message that was timed
};

struct RingLayout {
  RingShape shape;

  static constexpr uint64_t ack_offset() { return offsetof(RingAck, seq); }
  static constexpr uint64_t taken_time_offset() { return offsetof(RingAck, taken_time); }
  static constexpr uint64_t field(uint32_t slot) { return kLineBytes + uint64_t{slot} * sizeof(RingField); }
  uint64_t offer_words() const { return round_up(field(shape.num_slots), kLineBytes); }
  uint64_t slot(uint32_t slot) const {
    const uint64_t num_offer_words = uint64_t{1} + shape.num_slots;
    return round_up(offer_words() + num_offer_words * sizeof(uint64_t), kPageBytes) + uint64_t{slot} * shape.slot_bytes;
  }
  uint64_t total_bytes() const { return round_up(slot(shape.num_slots), kPageBytes); }
};

}  // namespace switchyard::xccl
