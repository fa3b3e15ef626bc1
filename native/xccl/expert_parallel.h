// ExpertParallel: dispatch and combine over a group whose members are attention and expert ranks at once (docs/xccl.md,
// "Dispatch and combine"). dispatch() takes tokens to the ranks of their experts, once a rank whatever number of its experts they
// visit; combine() takes the experts' outputs back and sums them in gate order. Used by executors and benches.
//
// One thread at a time, the group's. Between a dispatch and its combine the group may be used for other calls.
#pragma once

#include <memory>

#include "base/quantize_row.h"
#include "xccl/group.h"

namespace switchyard::xccl {

/// How a row of `hidden` numbers lies in memory and travels. kInt8: hidden int8, then at a multiple of 4 one fp32 scale
/// (base/quantize_row.h).
enum class RowFormat : uint8_t { kFp32, kBf16, kInt8 };

inline constexpr uint32_t kTopKMax = 16;

/// Bytes from one row to the next: int8 rows are padded to a multiple of 16.
constexpr uint64_t row_bytes_of(RowFormat format, uint64_t hidden) {
  if (format == RowFormat::kInt8) return int8_wire_bytes(hidden);
  return hidden * (format == RowFormat::kFp32 ? 4 : 2);
}

/// Equal in all members.
struct ExpertParallelSpec {
  uint32_t max_tokens = 0;  // of one member in one dispatch
  uint32_t hidden = 0;
  uint32_t top_k = 0;  // at most kTopKMax
  uint32_t num_experts = 0;
  /// [num_members + 1], ascending from 0 to num_experts: member m has the experts first_expert[m] to first_expert[m + 1] - 1. Empty:
  /// as even as it goes.
  std::vector<uint32_t> first_expert;
  RowFormat activation = RowFormat::kBf16;     // of x, shared and y: kFp32 or kBf16
  RowFormat dispatch_wire = RowFormat::kBf16;  // of the rows that experts get
  RowFormat combine_wire = RowFormat::kBf16;   // of the rows that come back
};

/// The partition_bytes that a group needs for this.
uint64_t partition_bytes_of(const ExpertParallelSpec& spec);

struct DispatchArgs {
  uint32_t event = 0;                 // equal in all members
  uint32_t num_tokens = 0;            // of this member; may be 0
  const std::byte* x = nullptr;       // [num_tokens][hidden], spec.activation
  const int32_t* topk_ids = nullptr;  // [num_tokens][top_k]: experts in gate order, none twice; -1: none
  /// x lies in app() or zc() and activation is dispatch_wire: members pull the rows from there, so that x may be changed only when
  /// combine() has returned.
  bool is_zero_copy = false;
};

/// One (token, expert) pair for an expert here, and where it comes from.
struct PairRef {
  uint32_t row;     // of DispatchResult::rows
  uint32_t member;  // whose token it is
  uint32_t token;
  uint32_t k;  // its place in the gate order
};

/// What has arrived for the experts of this member. Valid until the next dispatch.
struct DispatchResult {
  const std::byte* rows = nullptr;          // [any][row_bytes_of(dispatch_wire, hidden)]: those that `pairs` name
  std::span<const uint32_t> expert_counts;  // [experts here]: pairs of each
  std::span<const PairRef> pairs;           // [sum of expert_counts], by expert, then member, token
};

struct CombineArgs {
  uint32_t event = 0;
  /// [pairs of the last dispatch here]: the experts' outputs, unweighted, in the order of DispatchResult::pairs.
  const std::byte* outputs = nullptr;
  RowFormat format = RowFormat::kFp32;  // of outputs: combine_wire, or wider
  /// outputs lie in app() or zc() and format is combine_wire: members pull them from there, so that they may be changed only when
  /// the group's next call has returned.
  bool is_zero_copy = false;
  const float* gates = nullptr;       // [num_tokens][top_k]
  const std::byte* shared = nullptr;  // [num_tokens][hidden], spec.activation: the shared expert's output; null: none
  std::byte* y = nullptr;             // [num_tokens][hidden], spec.activation; may be `shared`
};

class ExpertParallel {
 public:
  /// InvalidArgument for an impossible spec or a group whose partitions are too small. Keeps the group.
  static Status open(std::shared_ptr<Group> group, ExpertParallelSpec spec, std::unique_ptr<ExpertParallel>* out);
  virtual ~ExpertParallel() = default;

  virtual const ExpertParallelSpec& spec() const = 0;

  virtual Status dispatch(const DispatchArgs& args, Deadline deadline, DispatchResult* result) = 0;

  /// y = shared, then fma(gate, output, y) for each expert in gate order, in fp32 (docs/numerics.md, operation 9): the same bits
  /// wherever the experts are. Belongs to the last dispatch.
  virtual Status combine(const CombineArgs& args, Deadline deadline) = 0;
};

}  // namespace switchyard::xccl
