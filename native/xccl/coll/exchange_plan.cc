#include "xccl/coll/exchange_plan.h"

#include <bit>

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "exchange_plan: " + text}; }

/// Forwarders in the order of the attention ranks: given, or those that are both, and the experts that are left.
std::vector<uint32_t> forwarders_of(const ExchangePlan& plan) {
  if (!plan.forwarders.empty()) return plan.forwarders;
  std::vector<uint32_t> forwarders;
  uint64_t left = plan.expert_mask & ~plan.attention_mask;
  for (uint32_t rank = 0; rank < kNumRanksMax; ++rank) {
    if (!has_rank(plan.attention_mask, rank)) continue;
    const bool is_both = has_rank(plan.expert_mask, rank);
    forwarders.push_back(is_both ? rank : static_cast<uint32_t>(std::countr_zero(left)));
    if (!is_both) left &= left - 1;
  }
  return forwarders;
}

Status check_forwarders(const ExchangePlan& plan) {
  const std::vector<uint32_t> forwarders = forwarders_of(plan);
  if (forwarders.size() != static_cast<size_t>(std::popcount(plan.attention_mask)))
    return invalid("forwarders must name one expert rank for each attention rank");
  uint64_t seen = 0;
  size_t idx = 0;
  for (uint32_t rank = 0; rank < kNumRanksMax; ++rank) {
    if (!has_rank(plan.attention_mask, rank)) continue;
    const uint32_t forwarder = forwarders[idx++];
    const std::string name = "forwarder " + std::to_string(forwarder) + " of rank " + std::to_string(rank);
    if (!has_rank(plan.expert_mask, forwarder)) return invalid(name + " is no expert rank");
    if (has_rank(seen, forwarder)) return invalid(name + " forwards for another rank already");
    // Else its own messages to its forwarder and those that it forwards there would share a slot.
    if (has_rank(plan.expert_mask, rank) && forwarder != rank)
      return invalid(name + ": a rank that is also an expert rank must be its own forwarder");
    seen |= uint64_t{1} << forwarder;
  }
  return {};
}

Status check_trampoline(const ExchangePlan& plan, const ExchangeShape& shape) {
  const int num_attention = std::popcount(plan.attention_mask);
  const int num_experts = std::popcount(plan.expert_mask);
  if (num_attention > num_experts) {
    return {Code::kUnsupported,
            "exchange_plan: trampoline forward needs forwarders that are a subset of the expert ranks, one for "
            "each attention rank; there are " +
                std::to_string(num_attention) + " attention ranks and only " + std::to_string(num_experts) +
                " expert ranks"};
  }
  if (shape.max_parts < static_cast<uint32_t>(num_experts))
    return invalid("trampoline needs exchange.max_parts of at least the " + std::to_string(num_experts) +
                   " expert ranks");
  return check_forwarders(plan);
}

}  // namespace

Status check_exchange_plan(const ExchangePlan& plan, const ExchangeShape& shape, uint32_t max_ranks) {
  const bool is_plain = plan.mode == ExchangeMode::kDirect && plan.pace == ExchangePace::kDataflow;
  const uint64_t all_ranks = max_ranks >= kNumRanksMax ? ~uint64_t{0} : (uint64_t{1} << max_ranks) - 1;
  if (((plan.attention_mask | plan.expert_mask) & ~all_ranks) != 0)
    return invalid("a mask names a rank past max_ranks");
  if (plan.mode == ExchangeMode::kDirect && !plan.forwarders.empty()) return invalid("direct mode has no forwarders");
  if (plan.barrier_timeout <= std::chrono::milliseconds::zero()) return invalid("barrier_timeout must be positive");
  if (is_plain) return {};
  if (shape == ExchangeShape{}) return invalid("there is no exchange");
  if (plan.attention_mask == 0 || plan.expert_mask == 0)
    return invalid("trampoline and barrier need both attention_mask and expert_mask");
  return plan.mode == ExchangeMode::kTrampoline ? check_trampoline(plan, shape) : Status();
}

ExchangeRoles::ExchangeRoles(const ExchangePlan& plan)
    : is_trampoline_(plan.mode == ExchangeMode::kTrampoline),
      is_barrier_(plan.pace == ExchangePace::kBarrier),
      attention_mask_(plan.attention_mask),
      expert_mask_(plan.expert_mask) {
  forwarder_of_.fill(kNoRank);
  forwards_for_.fill(kNoRank);
  if (!is_trampoline_) return;
  const std::vector<uint32_t> forwarders = forwarders_of(plan);
  size_t idx = 0;
  for (uint32_t rank = 0; rank < kNumRanksMax; ++rank) {
    if (!has_rank(attention_mask_, rank)) continue;
    forwarder_of_[rank] = forwarders[idx];
    forwards_for_[forwarders[idx++]] = rank;
  }
}

}  // namespace switchyard::xccl
