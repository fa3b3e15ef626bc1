// The attention half of A2E/E2A (api.h: AttentionEndpoint). Writes into the expert's A2E slot through the link's fabric and
// waits on the E2A fields in its own segment. One thread at a time.
#pragma once

#include <array>

#include "xccl/api.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class Attention final : public AttentionEndpoint {
 public:
  explicit Attention(LocalRank& local) : local_(local) {}

  Status send(uint32_t dest, const A2eMessage& message, Deadline deadline, OpTiming* timing) override;
  Status wait(const EventId& event, std::span<const uint32_t> dests, Deadline deadline, WaitReport* report) override;
  E2aView view(uint32_t dest, uint8_t micro_batch) const override;

 private:
  enum class SlotState : uint8_t { kFree, kSent, kAnswered };

  /// One (destination, micro-batch): its slot pair carries one exchange at a time.
  struct Slot {
    SlotState state = SlotState::kFree;
    uint64_t num_sent = 0;  // since the link began: the E2A field's seq when this one is answered
    EventId event;
    uint32_t num_pairs = 0;
    uint32_t row_bytes = 0;
  };
  struct Dest {
    uint64_t serial = 0;  // of the link that the slots' counts belong to
    std::array<Slot, kNumMicroBatches> slots;
  };
  struct Awaited {
    uint32_t rank = 0;
    LinkRef link;
  };

  Status check_message(uint32_t dest, const A2eMessage& message) const;
  Status follow_link(uint32_t dest, const LinkRef& link, const EventId& event);
  Status drain(uint32_t dest, const LinkRef& link, const EventId& next, Deadline deadline);
  Status write_slot(Fabric& fabric, const A2eMessage& message);
  Status publish(uint32_t dest, Fabric& fabric, const A2eMessage& message);
  Status check_awaited(const EventId& event, std::span<const uint32_t> dests) const;
  Status pin(const EventId& event, std::span<const uint32_t> dests, uint32_t* failed_rank);
  uint32_t look(const EventId& event, uint32_t num_dests, Status* fault, uint32_t* blamed_rank);
  Status take_answer(uint32_t rank, const LinkRef& link, Slot& slot, bool* is_missing);
  Status check_answer(uint32_t rank, const Slot& slot, const PairFieldBody& body) const;
  Status gone(uint32_t rank, const EventId& event) const;
  void finish_slot(uint32_t rank, Slot& slot, SlotState state);
  PairField& answer_field(uint32_t rank, uint32_t micro_batch) { return local_.fixed().pairs[rank].e2a[micro_batch]; }

  LocalRank& local_;
  std::array<Dest, kNumRanksMax> dests_;
  std::array<Awaited, kNumRanksMax> awaited_;
};

}  // namespace switchyard::xccl
