// The attention half of A2E/E2A (api.h: AttentionEndpoint). Sends through an A2eSender, to the experts or to its forwarder, and waits
// on the E2A fields in its own segment. One thread at a time.
#pragma once

#include <array>

#include "xccl/api.h"
#include "xccl/coll/a2e_sender.h"
#include "xccl/coll/bundle_writer.h"
#include "xccl/coll/exchange_plan.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class CallScope;

class Attention final : public AttentionEndpoint {
 public:
  explicit Attention(LocalRank& local);

  Status send(uint32_t dest, const A2eMessage& message, Deadline deadline, OpTiming* timing) override;
  Status send_all(const A2eBatch& batch, Deadline deadline, WaitReport* report) override;
  Status wait(const EventId& event, std::span<const uint32_t> dests, Deadline deadline, WaitReport* report) override;
  Status wait_all(const EventId& event, Deadline deadline, WaitReport* report) override;
  bool is_ready(const EventId& event) const override;
  E2aView view(uint32_t dest, uint8_t micro_batch) const override;
  ExchangeCounters counters() const override { return sender_.counters(); }

 private:
  /// Where a part's answer lies: in the slot of the rank that it was sent to, from this pair on.
  struct PartRecord {
    EventId event;
    uint32_t target = kNoRank;
    uint32_t pair_base = 0;
    uint32_t num_pairs = 0;
  };
  /// What send_all() sent for the last event of a micro-batch.
  struct Flight {
    EventId event;
    uint32_t num_targets = 0;
    std::array<uint32_t, kNumRanksMax> targets{};
    std::array<PartRecord, kNumRanksMax> records{};  // by rank
  };
  /// What a wait has seen missing.
  struct Awaited {
    uint32_t rank = kNoRank;   // the first that was missing at the last look, or whom a fault blames
    uint32_t num_missing = 0;  // at the last look that found any
  };

  Status check_batch(const A2eBatch& batch) const;
  Status check_part(const A2eBatch& batch, const A2ePart& part) const;
  Status send_part(const A2eBatch& batch, const A2ePart& part, Deadline deadline);
  Status write_part(const A2eBatch& batch, const A2ePart& part, Deadline deadline, CallScope* scope);
  Status send_parts(const A2eBatch& batch, Deadline deadline, uint32_t* blamed_rank);
  Status send_bundle(const A2eBatch& batch, uint32_t forwarder, Deadline deadline);
  Status write_bundle(const A2eBatch& batch, uint32_t forwarder, Deadline deadline, CallScope* scope);
  void fetch_answers(uint32_t micro_batch);
  Status complete_parts(const A2eBatch& batch);
  Status prepare_slot(uint32_t dest, const LinkRef& link, const EventId& event, Deadline deadline, CallScope* scope);
  Status drain(uint32_t dest, const EventId& next, Deadline deadline);
  HeadBuffer& start_head(MessageKind kind, const A2eBatch& batch);

  Status wait_for(const EventId& event, std::span<const uint32_t> targets, Deadline deadline, WaitReport* report);
  Status await_answers(const EventId& event, std::span<const uint32_t> targets, Deadline deadline, WaitReport* report,
                       Awaited* awaited);
  Status check_awaited(const EventId& event, std::span<const uint32_t> dests) const;
  uint32_t look(const EventId& event, std::span<const uint32_t> targets, Status* fault, Awaited* awaited);
  Status fault_of(const Answer& answer, uint32_t dest, const EventId& event) const;
  Status gone(uint32_t rank, const EventId& event) const;

  LocalRank& local_;
  const ExchangeRoles roles_;
  A2eSender sender_;
  BundleWriter bundle_;
  std::array<Flight, kNumMicroBatches> flights_;
  std::array<A2ePart, kNumRanksMax> parts_;  // of the batch at hand
  uint32_t num_parts_ = 0;
};

}  // namespace switchyard::xccl
