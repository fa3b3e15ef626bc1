// One exchange slot pair as types: the A2E slot (head, then rows) and the E2A slot (rows, or a refusal). Both lie in the
// receiver's control segment and are written by one rank alone. Used by the two halves of coll; no logic beyond offsets.
//
//   A2E slot   0               A2eSlotHeader
//              192             kDirect, kForwarded: counts, pairs
//                              kBundle:             parts, then counts, refs, pairs of all parts, each list in part order
//              rows_offset()   rows [num_rows][row_bytes]
//   E2A slot   0               rows [num_pairs][row_bytes], or E2aRefusal when the answer's code is not kOk
#pragma once

#include <cstddef>
#include <cstdint>

#include "xccl/layout/units.h"
#include "xccl/types.h"

namespace switchyard::xccl {

enum class MessageKind : uint32_t {
  kDirect = 0,     // an attention rank's rows for this expert rank
  kBundle = 1,     // an attention rank's rows for all expert ranks, to its forwarder (trampoline)
  kForwarded = 2,  // the part of a bundle for this expert rank, from the forwarder
};

/// Head of an A2E slot. The sender wrote the slot; the origin is the attention rank whose rows these are (the sender itself
/// unless the message was forwarded).
struct A2eSlotHeader {
  uint64_t sender_epoch;
  uint32_t sender_rank;
  uint32_t row_bytes;
  uint64_t placement_version;
  uint64_t active_mask;
  uint64_t origin_epoch;
  uint32_t origin_rank;
  MessageKind kind;
  uint32_t num_traces;
  uint32_t reserved0;
  TraceRef traces[kNumTracesMax];
  uint8_t reserved[40];
};
static_assert(sizeof(TraceRef) == 24 && sizeof(A2eSlotHeader) == 192);

/// One destination of a bundle. Its pairs name rows of the part; its refs name, for each row of the part, the bundle's row.
struct A2ePartHead {
  uint32_t rank;
  uint32_t num_counts;
  uint32_t num_rows;
  uint32_t num_pairs;
};
static_assert(sizeof(A2ePartHead) == 16);

/// Why a message was refused.
enum class RefusalReason : uint32_t {
  kByCaller = 0,   // ExpertEndpoint::fail
  kMalformed = 1,  // sizes, counts, rows or pairs that cannot be
  kPlacement = 2,  // details: the version that is served, and the next one
  kMask = 3,       // the sender or this rank is not in the message's active mask
  kMode = 4,       // this rank is not set up for such a message from that sender
  kBarrier = 5,    // blamed: the rank that keeps a barrier from being completed; the code says how
  kDead = 6,       // a rank behind the forwarder is dead
};

/// At the start of an E2A slot whose answer is an error.
struct E2aRefusal {
  RefusalReason reason;
  uint32_t blamed_rank;
  uint64_t details[2];
};
static_assert(sizeof(E2aRefusal) == 24);

struct ExchangeLayout {
  ExchangeShape shape;

  static constexpr uint64_t lists_offset() { return sizeof(A2eSlotHeader); }
  uint64_t rows_offset() const {
    const bool has_bundles = shape.max_parts != 0;
    const uint64_t num_parts = has_bundles ? shape.max_parts : 1;
    const uint64_t num_words = num_parts * shape.max_local_experts + (has_bundles ? 2 : 1) * shape.max_pairs();
    return round_up(lists_offset() + shape.max_parts * sizeof(A2ePartHead) + 4 * num_words, kLineBytes);
  }
  uint64_t a2e_bytes() const {
    return round_up(rows_offset() + uint64_t{shape.max_tokens} * shape.row_bytes, kPageBytes);
  }
  uint64_t e2a_bytes() const { return round_up(shape.max_pairs() * shape.row_bytes, kPageBytes); }
  uint64_t pair_bytes() const { return a2e_bytes() + e2a_bytes(); }
};
static_assert(sizeof(E2aRefusal) <= kPageBytes);

}  // namespace switchyard::xccl
