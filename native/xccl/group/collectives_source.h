// How a collective contributes bytes of this rank: inside the field when they are few, straight from where they lie when the
// caller asked for zero copy, else by way of the round's half. Used by the collectives alone.
#pragma once

#include "xccl/group/collectives_tag.h"
#include "xccl/group/rounds.h"

namespace switchyard::xccl {

class Source {
 public:
  Source() = default;
  /// InvalidArgument when zero copy is asked for bytes that are not inside app() or zc(), or for more bytes than there may be.
  static Status make(const Rounds& rounds, Operation operation, std::span<const std::byte> bytes, bool is_zero_copy,
                     Source* out);

  bool is_zero_copy() const { return is_zero_copy_; }
  /// The same bytes, copied.
  Source copied() const;
  uint64_t size() const { return bytes_.size(); }

  /// [offset, offset + num_bytes) of the bytes, for the next publish(). What must be copied goes to half[half_offset].
  Outgoing part(std::span<std::byte> half, uint64_t half_offset, uint64_t offset, uint64_t num_bytes,
                uint64_t detail = 0) const;

 private:
  std::span<const std::byte> bytes_;
  bool is_zero_copy_ = false;
  Outgoing whole_;  // where they lie, of a zero-copy source
};

/// Begins a round in which each member is given the same.
Status publish_to_all(Rounds& rounds, const Outgoing& outgoing);

/// A round's contributions by member.
using Arrivals = std::array<Arrival, kNumRanksMax>;

/// Waits for all of them and leaves them where they are.
Status take_all(Rounds& rounds, Arrivals* out);

}  // namespace switchyard::xccl
