#include "xccl/group/route_plan.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "dispatch: " + text}; }

Status impossible(uint32_t token, int32_t expert, const char* why) {
  return invalid("token " + std::to_string(token) + ": expert " + std::to_string(expert) + " " + why);
}

template <class Numbers>
std::byte* append(std::byte* to, const Numbers* from, uint64_t count) {
  std::memcpy(to, from, count * sizeof(Numbers));
  return to + count * sizeof(Numbers);
}

}  // namespace

RoutePlan::RoutePlan(const ExpertMap& map)
    : map_(map),
      is_routed_(map.spec().max_tokens),
      first_pair_(map.spec().num_experts + 1),
      next_pair_(map.spec().num_experts),
      last_token_(map.spec().num_experts),
      experts_(map.num_own_pairs_max()),
      pair_of_(map.num_own_pairs_max()),
      pairs_(map.num_own_pairs_max()),
      num_rows_(map.num_members()),
      rows_(uint64_t{map.num_members()} * map.spec().max_tokens) {}

Status RoutePlan::make(uint32_t num_tokens, const int32_t* topk_ids) {
  if (num_tokens > map_.spec().max_tokens)
    return invalid(std::to_string(num_tokens) + " tokens are more than max_tokens");
  num_tokens_ = num_tokens;
  SWITCHYARD_RETURN_IF_ERROR(check_and_count(topk_ids));
  place(topk_ids);
  return {};
}

/// Counts the pairs of each expert, which gives each its place in the order.
Status RoutePlan::check_and_count(const int32_t* topk_ids) {
  const uint32_t top_k = map_.spec().top_k;
  std::ranges::fill(next_pair_, 0);
  std::ranges::fill(last_token_, 0);
  for (uint32_t token = 0; token < num_tokens_; ++token) {
    for (uint32_t k = 0; k < top_k; ++k) {
      const int32_t expert = topk_ids[token * top_k + k];
      if (expert == -1) continue;
      if (expert < 0 || static_cast<uint32_t>(expert) >= map_.spec().num_experts)
        return impossible(token, expert, "is not below num_experts");
      if (last_token_[expert] == token + 1) return impossible(token, expert, "is named twice");
      last_token_[expert] = token + 1;
      next_pair_[expert] += 1;
    }
  }
  for (uint32_t expert = 0; expert < map_.spec().num_experts; ++expert) {
    first_pair_[expert + 1] = first_pair_[expert] + next_pair_[expert];
    next_pair_[expert] = first_pair_[expert];
  }
  return {};
}

void RoutePlan::place(const int32_t* topk_ids) {
  const uint32_t top_k = map_.spec().top_k;
  std::ranges::fill(num_rows_, 0);
  for (uint32_t token = 0; token < num_tokens_; ++token) {
    is_routed_[token] = 0;
    for (uint32_t k = 0; k < top_k; ++k) {
      const int32_t expert = experts_[token * top_k + k] = topk_ids[token * top_k + k];
      if (expert < 0) continue;
      is_routed_[token] = 1;
      const uint32_t member = map_.member_of(static_cast<uint32_t>(expert));
      uint32_t* rows = rows_.data() + uint64_t{member} * map_.spec().max_tokens;
      uint32_t& num_rows = num_rows_[member];
      if (num_rows == 0 || rows[num_rows - 1] != token) rows[num_rows++] = token;
      const uint32_t pair = next_pair_[expert]++;
      pairs_[pair] = (num_rows - 1) << 4 | k;
      pair_of_[token * top_k + k] = pair;
    }
  }
}

uint64_t RoutePlan::write_block(uint32_t member, std::byte* to) const {
  const uint32_t num_experts = map_.spec().num_experts;
  const uint32_t first = first_pair_[map_.first_expert(member)];
  const RouteHead head{num_tokens_, num_rows_[member], first_pair_[map_.end_expert(member)] - first, 0};
  std::byte* at = append(to, &head, 1);
  for (uint32_t expert = 0; expert < num_experts; ++expert) {
    const uint32_t count = num_pairs(expert);
    at = append(at, &count, 1);
  }
  at = append(at, rows_.data() + uint64_t{member} * map_.spec().max_tokens, head.num_rows);
  at = append(at, pairs_.data() + first, head.num_pairs);
  return static_cast<uint64_t>(at - to);
}

}  // namespace switchyard::xccl
