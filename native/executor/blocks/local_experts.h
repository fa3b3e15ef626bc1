// Routed experts computed in this process: rows grouped by expert, several groups at once.
#pragma once

#include <span>
#include <vector>

#include "executor/blocks/expert_backend.h"
#include "executor/blocks/expert_bank.h"

namespace switchyard::executor {

class LocalExperts : public ExpertBackend {
 public:
  /// bank holds every expert; pool outlives this object.
  LocalExperts(const ModelSpec& spec, ExpertBank bank, ThreadPool* pool)
      : spec_(spec), bank_(std::move(bank)), pool_(pool) {}

  void begin_pass(uint64_t, std::span<const TraceTag>) override {}
  Status begin(const ExpertBatch&) override { return {}; }
  Status finish(const ExpertBatch& batch, std::byte* room, const std::byte** outputs) override;
  int32_t failed_rank() const override { return -1; }
  ExchangeTimes take_times() override { return {}; }

 private:
  void run_together(const ExpertBatch& batch, std::span<const int32_t> pairs, std::byte* room,
                    const std::byte** outputs);

  ModelSpec spec_;
  ExpertBank bank_;
  ThreadPool* pool_;
  std::vector<int32_t> group_end_;            // [num_ffn_units]: end of each expert's pairs in pairs_
  std::vector<int32_t> pairs_;                // pair = row * top_k + i, grouped by expert
  std::vector<ExpertRows> together_;          // experts that are run at once
  std::vector<const std::byte*> group_rows_;  // [their pairs]
};

}  // namespace switchyard::executor
