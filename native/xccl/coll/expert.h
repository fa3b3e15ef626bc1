// The expert half of A2E/E2A (api.h: ExpertEndpoint). Waits on the fields in its own segment, checks what has arrived, forwards what is
// for others (Forwarder), holds back what a barrier has not completed (BarrierGate), and writes answers into the senders' E2A
// slots. One thread at a time; a dead or slow sender delays nobody else (but for a barrier's members).
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "xccl/api.h"
#include "xccl/coll/arrived_message.h"
#include "xccl/coll/barrier_gate.h"
#include "xccl/coll/exchange_plan.h"
#include "xccl/coll/forwarder.h"
#include "xccl/coll/member_watch.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class CallScope;

class Expert final : public ExpertEndpoint {
 public:
  explicit Expert(LocalRank& local);

  Status wait_any(Deadline deadline, std::vector<A2eView>* out) override;
  void forward() override;
  Status reply(const A2eView& view, const std::byte* rows) override;
  Status reply_row(const A2eView& view, uint32_t pair_idx, const std::byte* row) override;
  Status finish(const A2eView& view) override;
  Status fail(const A2eView& view, Code code) override;
  void set_placement(uint64_t version, uint64_t next_version) override;
  uint64_t num_corrupt() const override { return num_corrupt_.load(std::memory_order_relaxed); }
  ExchangeCounters counters() const override;

 private:
  /// One (sender, micro-batch).
  struct Slot {
    explicit Slot(const ExchangeShape& shape) : message(shape) {}
    uint64_t num_taken = 0;  // since the link began: the next A2E field's seq is one more
    LinkRef link;            // held until the message is answered
    ArrivedMessage message;
    SlotWriter answer;  // the sender's E2A slot
    FieldWriter answer_field;
    PartLists part;             // this rank's
    bool is_part_done = false;  // ended by the caller, or there is none
  };
  struct Sender {
    uint64_t serial = 0;
    std::array<std::unique_ptr<Slot>, kNumMicroBatches> slots;
  };
  struct Ready {
    uint32_t sender;
    uint32_t micro_batch;
  };

  // Arrivals.
  uint32_t poll();
  void take_arrivals();
  void take_slot(uint32_t sender, uint32_t micro_batch, LinkRef link);
  Sender& sender_of(uint32_t rank, const LinkRef& link);
  Refusal check_message(const A2eSlotHeader& header, uint32_t sender) const;
  bool is_expected_kind(const A2eSlotHeader& header, uint32_t sender) const;
  void admit(uint32_t sender, uint32_t micro_batch, Slot& slot);
  void begin_bundle(Slot& slot);

  // The barrier.
  void pass_gates(uint64_t gone_mask);
  void pass_gate(uint32_t micro_batch, uint64_t gone_mask);
  void drop_orphans(uint32_t micro_batch);
  void leave_gate(uint32_t sender, Slot& slot, const BarrierGate::Decision& decision);
  uint32_t sender_for(uint32_t attention_rank) const;

  // Views and answers.
  A2eView view_of(uint32_t sender, const Slot& slot) const;
  Slot* open_slot(const A2eView& view);
  Slot& slot_of(uint32_t sender, uint32_t micro_batch) { return *senders_[sender]->slots[micro_batch]; }
  Status take_ready(Deadline deadline, std::vector<A2eView>* out, CallScope* scope);
  Status write_answer(uint32_t sender, Slot& slot, std::span<const std::byte> rows, CallScope* scope);
  Status check_live(uint32_t sender, const Slot& slot) const;
  Status end_part(uint32_t sender, Slot& slot, const Refusal& refusal);
  Status end_bundle(uint32_t micro_batch);
  Status answer(uint32_t sender, Slot& slot, const Refusal& refusal);

  LocalRank& local_;
  const ExchangeRoles roles_;
  Forwarder forwarder_;
  std::array<BarrierGate, kNumMicroBatches> gates_;
  MemberWatch watch_;  // kBarrier
  std::array<std::unique_ptr<Sender>, kNumRanksMax> senders_;
  std::vector<Ready> ready_;  // parts to be delivered
  std::atomic<uint64_t> placement_{0};
  std::atomic<uint64_t> next_placement_{0};
  std::atomic<uint64_t> num_corrupt_{0};
  std::atomic<uint64_t> num_sent_{0};
  std::atomic<uint64_t> num_received_{0};
};

}  // namespace switchyard::xccl
