#include "xccl/layout/shapes.h"

#include <string>

#include "xccl/layout/ctrl_layout.h"

namespace switchyard::xccl {
namespace {

Status invalid(const std::string& text) { return {Code::kInvalidArgument, text}; }

bool is_lines(uint64_t num_bytes) { return num_bytes > 0 && num_bytes % kLineBytes == 0; }

Status check_exchange(const ExchangeShape& shape) {
  if (shape == ExchangeShape{}) return {};
  if (shape.max_tokens == 0 || shape.row_bytes == 0 || shape.top_k == 0 || shape.max_local_experts == 0) {
    return invalid("exchange: all four sizes must be above 0, or all 0 for none");
  }
  if (shape.max_tokens > 1u << 16 || shape.row_bytes > 1u << 20 || shape.top_k > 256 ||
      shape.max_local_experts > 4096) {
    return invalid("exchange: at most 65536 tokens, 1 MiB a row, top_k 256, 4096 local experts");
  }
  return {};
}

Status check_ring(const RingShape& shape) {
  if (shape == RingShape{}) return {};
  const bool is_power_of_two = (shape.num_slots & (shape.num_slots - 1)) == 0;
  if (shape.num_slots < 2 || shape.num_slots > 1024 || !is_power_of_two)
    return invalid("ring: num_slots must be a power of two from 2 to 1024");
  if (!is_lines(shape.slot_bytes) || shape.slot_bytes > 1u << 24)
    return invalid("ring: slot_bytes must be a multiple of 64, at most 16 MiB");
  return {};
}

Status check_group(const GroupShape& shape) {
  if (shape == GroupShape{}) return {};
  if (shape.num_groups == 0 || shape.num_groups > kNumGroupsMax || shape.reserved != 0)
    return invalid("group: num_groups must be 1 to 16");
  if (!is_lines(shape.partition_bytes) || shape.partition_bytes > 1ull << 30)
    return invalid("group: partition_bytes must be a multiple of 64, at most 1 GiB");
  return {};
}

}  // namespace

Status check_shapes(const Shapes& shapes, uint32_t max_ranks) {
  SWITCHYARD_RETURN_IF_ERROR(check_exchange(shapes.exchange));
  SWITCHYARD_RETURN_IF_ERROR(check_ring(shapes.ring));
  SWITCHYARD_RETURN_IF_ERROR(check_group(shapes.group));
  const uint64_t num_bytes = CtrlLayout{shapes, max_ranks}.total_bytes();
  if (num_bytes <= kSegmentBytesMax) return {};
  return invalid("a control segment of " + std::to_string(num_bytes) + " bytes for " + std::to_string(max_ranks) +
                 " ranks is over 1 TiB");
}

}  // namespace switchyard::xccl
