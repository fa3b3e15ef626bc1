#include "xccl/group/expert_map.h"

#include <algorithm>
#include <string>

#include "xccl/group/route_plan.h"

namespace switchyard::xccl {
namespace {

constexpr uint32_t kTokensMax = 1u << 16;
constexpr uint32_t kHiddenMax = 1u << 20;
constexpr uint32_t kExpertsMax = 1u << 16;

Status invalid(const std::string& text) { return {Code::kInvalidArgument, "expert parallel: " + text}; }

Status check_scalars(const ExpertParallelSpec& spec) {
  if (spec.max_tokens == 0 || spec.max_tokens > kTokensMax) return invalid("max_tokens: 1 to 65536");
  if (spec.hidden == 0 || spec.hidden > kHiddenMax) return invalid("hidden: 1 to 2^20");
  if (spec.num_experts == 0 || spec.num_experts > kExpertsMax) return invalid("num_experts: 1 to 65536");
  if (spec.top_k == 0 || spec.top_k > kTopKMax) return invalid("top_k: 1 to 16");
  if (spec.activation > RowFormat::kBf16) return invalid("activation: fp32 or bf16");
  if (spec.dispatch_wire > RowFormat::kInt8 || spec.combine_wire > RowFormat::kInt8)
    return invalid("unknown wire format");
  if (spec.dispatch_wire < spec.activation) return invalid("dispatch_wire is wider than activation");
  return {};
}

Status check_first_expert(const ExpertParallelSpec& spec, uint32_t num_members) {
  const std::vector<uint32_t>& first = spec.first_expert;
  if (first.size() == num_members + 1 && first.front() == 0 && first.back() == spec.num_experts &&
      std::ranges::is_sorted(first))
    return {};
  return invalid("first_expert: num_members + 1 numbers that ascend from 0 to num_experts");
}

const char* format_name(uint64_t format) {
  constexpr const char* kNames[] = {"fp32", "bf16", "int8", "?"};
  return kNames[format & 3];
}

}  // namespace

uint64_t partition_bytes_of(const ExpertParallelSpec& spec) {
  const uint64_t dispatched =
      RoutePlan::block_bytes_max(spec) + spec.max_tokens * row_bytes_of(spec.dispatch_wire, spec.hidden);
  const uint64_t combined = uint64_t{spec.max_tokens} * spec.top_k * row_bytes_of(spec.combine_wire, spec.hidden);
  return round_up(std::max(dispatched, combined), kLineBytes);
}

Status ExpertMap::create(ExpertParallelSpec spec, uint32_t num_members, ExpertMap* out) {
  SWITCHYARD_RETURN_IF_ERROR(check_scalars(spec));
  for (uint32_t member = 0; member <= num_members && spec.first_expert.size() == member; ++member)
    spec.first_expert.push_back(static_cast<uint32_t>(uint64_t{spec.num_experts} * member / num_members));
  SWITCHYARD_RETURN_IF_ERROR(check_first_expert(spec, num_members));
  out->member_of_.resize(spec.num_experts);
  for (uint32_t member = 0; member < num_members; ++member)
    std::fill(out->member_of_.begin() + spec.first_expert[member],
              out->member_of_.begin() + spec.first_expert[member + 1], member);
  out->spec_ = std::move(spec);
  return {};
}

uint64_t ExpertMap::packed() const {
  const uint64_t formats = static_cast<uint64_t>(spec_.activation) << 4 |
                           static_cast<uint64_t>(spec_.dispatch_wire) << 2 | static_cast<uint64_t>(spec_.combine_wire);
  return uint64_t{spec_.max_tokens - 1} << 48 | uint64_t{spec_.num_experts - 1} << 32 |
         uint64_t{spec_.hidden - 1} << 12 | uint64_t{spec_.top_k - 1} << 6 | formats;
}

std::string ExpertMap::packed_text(uint64_t packed) {
  return "max_tokens " + std::to_string((packed >> 48) + 1) + ", " + std::to_string((packed >> 32 & 0xffff) + 1) +
         " experts, hidden " + std::to_string((packed >> 12 & 0xfffff) + 1) + ", top_k " +
         std::to_string((packed >> 6 & 0x3f) + 1) + ", formats " + format_name(packed >> 4) + "/" +
         format_name(packed >> 2) + "/" + format_name(packed);
}

}  // namespace switchyard::xccl
