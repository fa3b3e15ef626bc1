// RoutePlan: where the tokens of one dispatch go, and what each member is told of it. Pure: fills private memory only. Used by
// dispatch; combine asks it where a pair stands.
//
// A member's block: RouteHead, then uint32: counts [num_experts] (pairs of this rank's tokens, for all experts), tokens [num_rows]
// (ascending: those with an expert there), pairs [num_pairs] (by expert, then token: index into tokens << 4 | k).
// Every member learns all counts, so that each can tell alone where the outputs for it will stand at their experts.
#pragma once

#include "xccl/group/expert_map.h"
#include "xccl/layout/units.h"

namespace switchyard::xccl {

struct RouteHead {
  uint32_t num_tokens;  // of the sender
  uint32_t num_rows;
  uint32_t num_pairs;
  uint32_t reserved;
};

class RoutePlan {
 public:
  explicit RoutePlan(const ExpertMap& map);

  static uint64_t block_bytes(uint64_t num_experts, uint64_t num_rows, uint64_t num_pairs) {
    return sizeof(RouteHead) + 4 * (num_experts + num_rows + num_pairs);
  }
  static uint64_t block_bytes_max(const ExpertParallelSpec& spec) {
    return round_up(block_bytes(spec.num_experts, spec.max_tokens, uint64_t{spec.max_tokens} * spec.top_k), kLineBytes);
  }

  /// InvalidArgument for an impossible id, or one twice in a token.
  Status make(uint32_t num_tokens, const int32_t* topk_ids);

  uint32_t num_tokens() const { return num_tokens_; }
  bool is_routed(uint32_t token) const { return is_routed_[token] != 0; }
  /// Writes the member's block; returns its bytes.
  uint64_t write_block(uint32_t member, std::byte* to) const;

  /// The pairs of expert e are numbers first_pair(e) to first_pair(e + 1) - 1 in the order (expert, token).
  uint32_t first_pair(uint32_t expert) const { return first_pair_[expert]; }
  uint32_t num_pairs(uint32_t expert) const { return first_pair_[expert + 1] - first_pair_[expert]; }
  /// [num_tokens][top_k]: each pair's expert (-1: none) and number.
  int32_t expert_of(uint32_t token, uint32_t k) const { return experts_[token * map_.spec().top_k + k]; }
  uint32_t pair_of(uint32_t token, uint32_t k) const { return pair_of_[token * map_.spec().top_k + k]; }

 private:
  Status check_and_count(const int32_t* topk_ids);
  void place(const int32_t* topk_ids);

  const ExpertMap& map_;
  uint32_t num_tokens_ = 0;
  std::vector<uint8_t> is_routed_;    // [max_tokens]
  std::vector<uint32_t> first_pair_;  // [num_experts + 1]
  std::vector<uint32_t> next_pair_;   // [num_experts]
  std::vector<uint32_t> last_token_;  // [num_experts]: token + 1 that named the expert last
  std::vector<int32_t> experts_;      // [max_tokens][top_k]
  std::vector<uint32_t> pair_of_;     // [max_tokens][top_k]
  std::vector<uint32_t> pairs_;       // [max_tokens * top_k] by (expert, token)
  std::vector<uint32_t> num_rows_;    // [num_members]
  std::vector<uint32_t> rows_;        // [num_members][max_tokens]: tokens
};

}  // namespace switchyard::xccl
