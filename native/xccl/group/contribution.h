// What one member contributes to another in a round, as values of this process, and how they are written into a field of the group's
// memory and read out of it, each word once. Used by Rounds and by the operations; checks nothing.
#pragma once

#include <algorithm>
#include <array>
#include <span>
#include <string>

#include "xccl/group/operation.h"
#include "xccl/layout/ctrl_layout.h"
#include "xccl/layout/small_bytes.h"

namespace switchyard::xccl {

/// What all members of a call must agree upon; else Mismatch. `agreed` is the operation's own (root, type, size), and
/// `agreed_text` says it in the error (null: as a number).
struct CallTag {
  Operation operation = Operation::kFence;
  uint32_t event = 0;
  uint64_t agreed = 0;
  std::string (*agreed_text)(uint64_t agreed) = nullptr;
};

/// One member's contribution to another: made by inline_bytes(), managed() or Rounds::zero_copy().
struct Outgoing {
  GroupSource source = GroupSource::kInline;
  uint64_t offset = 0;
  uint64_t num_bytes = 0;
  const std::byte* payload = nullptr;
  uint64_t detail = 0;

  /// At most kGroupInlineBytesMax bytes, copied by publish().
  static Outgoing inline_bytes(std::span<const std::byte> bytes, uint64_t detail = 0) {
    return {GroupSource::kInline, 0, bytes.size(), bytes.data(), detail};
  }
  /// Bytes of half(); several members may be given the same.
  static Outgoing managed(uint64_t offset, uint64_t num_bytes, uint64_t detail = 0) {
    return {GroupSource::kManaged, offset, num_bytes, nullptr, detail};
  }
};

/// A member's contribution for this rank in a round: a private copy that passed all checks. Not initialised: one is made for each
/// member in each round.
struct Arrival {
  uint32_t member;
  GroupSource source;
  uint64_t offset;
  uint64_t num_bytes;  // of a managed contribution at most a half
  uint64_t detail;
  std::array<uint64_t, kGroupInlineWords> payload;  // of an inline contribution; others are pulled
};

// ---- Fields ----

/// `body` is the member's field itself where that is mapped: a copy of a body just written would wait for the stores behind it.
inline void write_body(const CallTag& tag, const Outgoing& outgoing, GroupFieldBody* body) {
  body->event = tag.event;
  body->operation = static_cast<uint16_t>(tag.operation);
  body->source = outgoing.source;
  body->num_bytes = outgoing.num_bytes;
  body->agreed = tag.agreed;
  body->detail = outgoing.detail;
  if (outgoing.source != GroupSource::kInline) {
    body->offset = outgoing.offset;
    return;
  }
  const uint64_t num_first = std::min<uint64_t>(outgoing.num_bytes, kSmallBytesMax);
  const SmallBytes first = small_load(outgoing.payload, num_first);
  body->payload[0] = first.words[0];
  if (outgoing.num_bytes <= sizeof(uint64_t)) return;
  body->payload[1] = first.words[1];
  body->payload[2] = small_load(outgoing.payload + num_first, outgoing.num_bytes - num_first).words[0];
}

/// Was it published in the same call? What differs is read anew for the error, so nothing may rely on it.
inline bool is_tagged(const GroupFieldBody& body, const CallTag& tag) {
  return load_once(body.event) == tag.event && load_once(body.operation) == static_cast<uint16_t>(tag.operation) &&
         load_once(body.agreed) == tag.agreed;
}

inline void read_contribution(const GroupFieldBody& body, Arrival* out) {
  out->source = load_once(body.source);
  out->num_bytes = load_once(body.num_bytes);
  out->detail = load_once(body.detail);
  out->offset = 0;
  if (out->source != GroupSource::kInline) {
    out->offset = load_once(body.offset);
  } else {
    for (uint32_t word = 0; word < kGroupInlineWords; ++word) out->payload[word] = load_once(body.payload[word]);
  }
}

/// The first num_bytes of a payload, at most kGroupInlineBytesMax.
inline void store_payload(std::byte* to, const std::array<uint64_t, kGroupInlineWords>& payload, size_t num_bytes) {
  const size_t num_first = std::min<size_t>(num_bytes, kSmallBytesMax);
  small_store(to, {payload[0], payload[1]}, num_first);
  if (num_bytes > num_first) small_store(to + num_first, {payload[2], 0}, num_bytes - num_first);
}

}  // namespace switchyard::xccl
