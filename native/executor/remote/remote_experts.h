// Routed experts on other ranks (D4): a token's row goes once to each rank that owns one of its experts, outputs come back a (row, expert)
// pair. Called by the MoE block on the loop's thread. The shared expert runs between begin and finish and hides part of the way.
#pragma once

#include <memory>
#include <vector>

#include "executor/blocks/expert_backend.h"
#include "executor/remote/placement.h"
#include "xccl/api.h"

namespace switchyard::executor {

class RemoteExperts : public ExpertBackend {
 public:
  /// The placement was checked against spec and communicator.
  RemoteExperts(const ModelSpec& spec, ExpertPlacement placement, std::shared_ptr<xccl::Communicator> communicator);

  void begin_pass(uint64_t pass, std::span<const TraceTag> traces) override;
  Status begin(const ExpertBatch& batch) override;
  Status finish(const ExpertBatch& batch, std::byte* room, const std::byte** outputs) override;
  int32_t failed_rank() const override { return failed_rank_; }
  ExchangeTimes take_times() override { return std::exchange(times_, {}); }

 private:
  /// What goes to one rank in the layer at hand.
  struct Destination {
    uint32_t rank = 0;
    std::vector<int32_t> experts;         // ascending: local index to id
    std::vector<uint32_t> expert_counts;  // [experts]
    std::vector<uint32_t> row_index;      // rows of the batch that go there, ascending
    std::vector<uint32_t> pair_rows;      // [pairs]: index into row_index, grouped by expert
    std::vector<int32_t> pairs;           // [pairs]: row * top_k + i in the batch, in the order of pair_rows
  };

  void sort_pairs(const ExpertBatch& batch);
  void add_expert_pairs(size_t local_idx, Destination* dest);
  Status send(const ExpertBatch& batch);

  ModelSpec spec_;
  ExpertPlacement placement_;
  std::shared_ptr<xccl::Communicator> communicator_;
  std::vector<Destination> destinations_;
  std::vector<std::vector<int32_t>> expert_pairs_;  // [num_ffn_units]: pairs of the batch that visit it, ascending
  std::vector<uint32_t> message_row_;               // [rows]: index of a row in the message at hand, or kNoRow
  std::vector<xccl::A2ePart> parts_;                // of the layer at hand
  uint64_t active_mask_;                            // this rank and all owners of experts
  std::vector<xccl::TraceRef> traces_;
  uint64_t pass_ = 0;
  xccl::EventId event_;
  xccl::Deadline deadline_;
  int32_t failed_rank_ = -1;
  ExchangeTimes times_;
};

}  // namespace switchyard::executor
