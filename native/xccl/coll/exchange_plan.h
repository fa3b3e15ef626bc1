// What follows from an ExchangePlan: whether it is possible, and who forwards for whom. Pure; used at set-up and by the two halves.
#pragma once

#include <array>
#include <cstdint>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

inline constexpr uint32_t kNoRank = UINT32_MAX;

/// InvalidArgument for a plan that contradicts itself or the shape; Unsupported for a trampoline whose forwarders cannot be a
/// subset of the expert ranks.
Status check_exchange_plan(const ExchangePlan& plan, const ExchangeShape& shape, uint32_t max_ranks);

/// A checked plan, looked up by rank.
class ExchangeRoles {
 public:
  explicit ExchangeRoles(const ExchangePlan& plan);

  bool is_trampoline() const { return is_trampoline_; }
  bool is_barrier() const { return is_barrier_; }
  uint64_t attention_mask() const { return attention_mask_; }
  uint64_t expert_mask() const { return expert_mask_; }
  /// The forwarder of an attention rank, or the attention rank of a forwarder; kNoRank for others.
  uint32_t forwarder_of(uint32_t attention_rank) const { return forwarder_of_[attention_rank]; }
  uint32_t forwards_for(uint32_t expert_rank) const { return forwards_for_[expert_rank]; }

 private:
  bool is_trampoline_;
  bool is_barrier_;
  uint64_t attention_mask_;
  uint64_t expert_mask_;
  std::array<uint32_t, kNumRanksMax> forwarder_of_;
  std::array<uint32_t, kNumRanksMax> forwards_for_;
};

constexpr bool has_rank(uint64_t mask, uint32_t rank) { return rank < kNumRanksMax && (mask >> rank & 1) != 0; }

}  // namespace switchyard::xccl
