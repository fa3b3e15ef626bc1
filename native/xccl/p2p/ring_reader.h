// The reading end of one ring, in this rank's own segment: which chunks of a peer were taken and acknowledged. Used by Receiver,
// under a LinkRef. Every field is copied once and checked before its values are used.
#pragma once

#include <array>
#include <bit>
#include <string>

#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class RingReader {
 public:
  enum class Look { kNothing, kThere, kImpossible };

  uint64_t serial() const { return serial_; }
  /// A new link begins with an empty ring on both sides.
  void begin(LocalRank& local, uint32_t src, const LinkRef& link);

  /// Is the next chunk there?
  Look look() const {
    const uint64_t seq = next_field().seq.load(std::memory_order_seq_cst);
    if (seq == num_taken_ + 1) return Look::kThere;
    return seq == (num_taken_ < num_slots_ ? 0 : num_taken_ + 1 - num_slots_) ? Look::kNothing : Look::kImpossible;
  }
  /// A private copy of the next chunk's field; look() said that it is there. Word by word, each read once: in registers, without a
  /// call.
  RingBody read() const { return read(next_field()); }
  static RingBody read(const RingField& field) {
    const auto* words = reinterpret_cast<const volatile uint64_t*>(&field.body);
    return std::bit_cast<RingBody>(std::array<uint64_t, 3>{words[0], words[1], words[2]});
  }
  /// Of the next chunk: it has that one's number once it is there.
  const RingField& next_field() const { return fields_[slot_idx()]; }
  uint64_t next_chunk() const { return num_taken_ + 1; }
  /// What was found instead of the next chunk's number.
  std::string impossible_text() const;

  /// The next chunk's bytes: untrusted, and still the sender's to write if it breaks the protocol.
  const std::byte* slot() const { return slots_ + slot_idx() * uint64_t{slot_bytes_}; }
  uint32_t slot_bytes() const { return slot_bytes_; }
  uint32_t slot_idx() const { return static_cast<uint32_t>(num_taken_) & (num_slots_ - 1); }

  /// Lets go of the next chunk, and acknowledges it at once or when `stride` are to be acknowledged.
  Status take(Fabric& fabric, uint32_t stride) {
    num_taken_ += 1;
    taken_->store(num_taken_, std::memory_order_relaxed);
    return num_taken_ - num_acked_ < stride ? Status() : acknowledge(fabric);
  }
  /// Of whole messages that nobody waits for, and of parts, whose sender should not run out of room.
  uint32_t message_stride(bool wants_ack) const { return wants_ack ? 1 : num_slots_ / 2; }
  uint32_t chunk_stride(bool wants_ack) const { return wants_ack || num_slots_ < 4 ? 1 : num_slots_ / 4; }
  /// The sender is to hear what taking its message took, whose last chunk is the next one.
  void note_time(uint64_t ns) { time_ = TakenTime::of(next_chunk(), ns); }
  /// Acknowledges all that was taken, if anything is open.
  Status acknowledge(Fabric& fabric);

  /// The rest of a message that was given up half received is dropped as it arrives: its total and what has come of it.
  bool is_dropping = false;
  uint64_t drop_total = 0;
  uint64_t num_dropped = 0;

 private:
  uint64_t serial_ = 0;
  uint64_t num_taken_ = 0;
  std::atomic<uint64_t>* taken_ = nullptr;  // the same for this rank's broker, which tells a probing peer
  uint64_t num_acked_ = 0;
  uint32_t num_slots_ = 0;
  uint32_t slot_bytes_ = 0;
  TakenTime time_{};       // to be told with the next acknowledgement
  uint64_t ack_line_ = 0;  // offset in the peer's control segment
  const RingField* fields_ = nullptr;
  const std::byte* slots_ = nullptr;
};

}  // namespace switchyard::xccl
