// One send or receive on its way: on the stack of a blocking call, or in the table of outstanding operations. Sender and Receiver
// advance them; nothing here touches shared memory.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>

#include "base/status.h"
#include "xccl/messenger.h"
#include "xccl/p2p/way_choice.h"
#include "xccl/telemetry/scope.h"

namespace switchyard::xccl {

struct SendOp {
  uint32_t dest = 0;
  uint32_t event = 0;
  SendMode mode = SendMode::kBuffered;
  bool is_region = false;           // zero-copy: `region` travels instead of the payload
  const std::byte* from = nullptr;  // [size]
  uint64_t size = 0;
  uint64_t region_offset = 0;
  RegionArea region_area = RegionArea::kApp;
  bool may_offer = true;    // whoever calls may be kept until the receiver has the message
  bool is_awaited = false;  // whoever calls does nothing but wait
  bool is_begun = false;    // at least one field is published
  bool is_decided = false;  // are the next three?
  bool is_helped = false;   // the receiver may have this core meanwhile
  bool is_timed = false;
  Way way = Way::kPlain;
  uint64_t copy_ns = 0;     // of a timed one: what this rank's copies have taken
  uint64_t num_sent = 0;    // bytes in the ring or beyond
  uint64_t last_chunk = 0;  // number of the last field, once all are published
  uint64_t offered_on = 0;  // serial of the link on which chunk last_chunk offers it, 0: it is not offered
  CallScope* scope = nullptr;

  static SendOp of(uint32_t dest, uint32_t event, std::span<const std::byte> payload, SendMode mode) {
    SendOp op;
    op.dest = dest;
    op.event = event;
    op.mode = mode;
    op.from = payload.data();
    op.size = payload.size();
    return op;
  }
  /// Over when the receiver has copied the region.
  static SendOp of_region(uint32_t dest, uint32_t event, const Region& region) {
    SendOp op = of(dest, event, {}, SendMode::kAcknowledged);
    op.is_region = true;
    op.size = region.num_bytes;
    op.region_offset = region.offset;
    op.region_area = region.area;
    return op;
  }
};

struct ReceiveOp {
  uint32_t src = 0;
  uint32_t event = 0;
  std::byte* into = nullptr;  // [capacity]
  uint64_t capacity = 0;
  bool is_begun = false;      // at least one chunk is taken
  uint64_t total = 0;         // of the message, once begun or over
  uint64_t num_received = 0;  // bytes in `into`
  uint64_t copy_ns = 0;       // of a timed one: what this rank's copies have taken
  CallScope* scope = nullptr;
};

}  // namespace switchyard::xccl
