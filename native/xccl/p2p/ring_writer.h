// The writing end of one ring: which chunks this rank has published to a peer and how many of them were acknowledged. Used by
// Sender, under a LinkRef. Writes by the link's fabric, fields straight into mapped memory where the fabric can; trusts nothing that
// it reads.
#pragma once

#include <optional>
#include <span>

#include "xccl/link/local_rank.h"
#include "xccl/wait/doorbell.h"

namespace switchyard::xccl {

class RingWriter {
 public:
  uint64_t serial() const { return serial_; }
  /// A new link begins with an empty ring on both sides.
  void begin(const LocalRank& local, uint32_t dest, const LinkRef& link);

  /// Of the chunk that is published next, from 1.
  uint64_t next_chunk() const { return num_published_ + 1; }
  bool is_taken(uint64_t chunk) const { return num_acked_ >= chunk; }
  /// What the receiver says of a timed message that it has taken; nothing if it says nothing.
  std::optional<uint64_t> taken_ns(uint64_t chunk) const {
    const TakenTime time{ack_->taken_time.load(std::memory_order_relaxed)};
    return time.is_of(chunk) ? std::optional(time.ns()) : std::nullopt;
  }
  uint32_t num_free() const { return num_slots_ - static_cast<uint32_t>(num_published_ - num_acked_); }
  uint32_t slot_bytes() const { return slot_bytes_; }

  /// Looks at the acknowledgements. Corrupt when the word is impossible.
  Status refresh();

  /// Copies into the next slot; publish() follows.
  Status fill(Fabric& fabric, std::span<const std::byte> chunk) const {
    return fabric.put(Area::kCtrl, slots_ + slot_idx() * uint64_t{slot_bytes_}, chunk);
  }
  /// Publishes the next field. There must be a free slot.
  Status publish(Fabric& fabric, const RingBody& body) {
    if (!mapped_fields_) return put_field(fabric, body);
    publish_mapped(body);
    return {};
  }
  /// May the next field be published by publish_mapped(), on this link and at once?
  bool is_ready(uint64_t serial) const { return serial_ == serial && mapped_fields_ && !owes_end && num_free() > 0; }
  /// publish() where is_ready().
  void publish_mapped(const RingBody& body) {
    RingField& field = mapped_fields_[slot_idx()];
    // Word by word, so that the body travels in registers: a copy of the struct would wait for the stores that made it.
    auto* words = reinterpret_cast<volatile uint64_t*>(&field.body);
    words[0] = uint64_t{body.head} << 32 | body.event;
    words[1] = body.payload.words[0];
    words[2] = body.payload.words[1];
    field.seq.exchange(++num_published_, std::memory_order_seq_cst);
    doorbell_ring(*mapped_bell_);
  }

  /// From now on whoever reads what this chunk offers finds that he must not use it. Once it is taken the slot may be another message's.
  void retract(uint64_t chunk) {
    if (!is_taken(chunk))
      offer_words_->retraction(slot_of(chunk)).exchange(retraction_of(own_nonce_, chunk), std::memory_order_seq_cst);
  }
  /// Wakes the receiver's helping thread; false when this rank cannot.
  bool wake_helper() const {
    if (mapped_helper_bell_) doorbell_ring(*mapped_helper_bell_);
    return mapped_helper_bell_ != nullptr;
  }

  /// A message was given up after some of its chunks: the receiver is to be told before the next one.
  bool owes_end = false;

 private:
  Status put_field(Fabric& fabric, const RingBody& body);
  uint32_t slot_of(uint64_t chunk) const { return static_cast<uint32_t>(chunk - 1) & (num_slots_ - 1); }
  uint32_t slot_idx() const { return slot_of(next_chunk()); }

  uint64_t serial_ = 0;
  uint64_t num_published_ = 0;
  uint64_t num_acked_ = 0;
  uint64_t fields_ = 0;  // offsets in the peer's control segment
  uint64_t slots_ = 0;
  uint32_t num_slots_ = 0;
  uint32_t slot_bytes_ = 0;
  RingField* mapped_fields_ = nullptr;  // the short way, where the fabric can map; live as long as the link
  Doorbell* mapped_bell_ = nullptr;
  Doorbell* mapped_helper_bell_ = nullptr;
  OfferWords* offer_words_ = nullptr;  // in this rank's own segment
  uint64_t own_nonce_ = 0;
  const RingAck* ack_ = nullptr;  // in this rank's own segment; that peer writes
};

}  // namespace switchyard::xccl
