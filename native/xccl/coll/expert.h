// The expert half of A2E/E2A (api.h: ExpertEndpoint). Waits on the A2E fields in its own segment, checks what has arrived, and
// writes answers into the senders' E2A slots through their links' fabrics. One thread at a time; a dead or slow sender delays
// nobody else.
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <vector>

#include "xccl/api.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class Expert final : public ExpertEndpoint {
 public:
  explicit Expert(LocalRank& local) : local_(local) {}

  Status wait_any(Deadline deadline, std::vector<A2eView>* out) override;
  Status reply(const A2eView& view, const std::byte* rows) override;
  Status reply_row(const A2eView& view, uint32_t pair_idx, const std::byte* row) override;
  Status finish(const A2eView& view) override;
  Status fail(const A2eView& view, Code code) override;
  uint64_t num_corrupt() const override { return num_corrupt_.load(std::memory_order_relaxed); }

 private:
  /// One (sender, micro-batch). Counts, pairs and header are private copies: the sender cannot change them after the checks.
  struct Slot {
    uint64_t num_taken = 0;  // since the link began: the next A2E field's seq is one more
    LinkRef link;            // held while a view is open
    EventId event;
    PairFieldBody body{};
    A2eSlotHeader header{};
    std::vector<uint32_t> counts;  // [max_local_experts]
    std::vector<uint32_t> pairs;   // [max_pairs]
  };
  struct Sender {
    uint64_t serial = 0;
    std::array<Slot, kNumMicroBatches> slots;
  };

  size_t take_arrivals(std::vector<A2eView>* out);
  bool take_slot(uint32_t rank, uint32_t micro_batch, LinkRef link, std::vector<A2eView>* out);
  bool read_slot(uint32_t rank, uint32_t micro_batch, Slot& slot);
  bool check_body(uint32_t micro_batch, const PairFieldBody& body) const;
  bool check_header(uint32_t rank, const Slot& slot) const;
  static bool check_pairs(const Slot& slot);
  A2eView view_of(uint32_t rank, uint32_t micro_batch, const Slot& slot) const;
  Sender& sender_of(uint32_t rank, uint64_t serial);
  Slot* open_slot(const A2eView& view);
  Status answer(uint32_t rank, uint32_t micro_batch, Slot& slot, Code code);
  Status check_live(uint32_t rank, const Slot& slot) const;

  LocalRank& local_;
  std::array<std::unique_ptr<Sender>, kNumRanksMax> senders_;
  std::atomic<uint64_t> num_corrupt_{0};
};

}  // namespace switchyard::xccl
