// The sum of one token's expert outputs: y = shared, then y = fma(gate, output, y) in gate order, in fp32 (docs/numerics.md,
// operation 9). Outputs are read where they lie, in their wire format. Called by combine. Every variant has the same bits.
#pragma once

#include "base/isa.h"
#include "xccl/expert_parallel.h"

namespace switchyard::xccl {

struct GateSumArgs {
  const std::byte* const* outputs = nullptr;  // [num_outputs]
  const float* gates = nullptr;               // [num_outputs]
  uint32_t num_outputs = 0;                   // at most kTopKMax
  uint32_t hidden = 0;
  RowFormat wire = RowFormat::kFp32;        // of outputs
  RowFormat activation = RowFormat::kFp32;  // of shared and y: kFp32 or kBf16
  const std::byte* shared = nullptr;        // null: zeros
  std::byte* y = nullptr;                   // may be `shared`
  /// The outputs of a sum that is due soon: fetched, if the variant does so, and not looked at.
  const std::byte* const* next_outputs = nullptr;  // [num_next]
  uint32_t num_next = 0;
};

using GateSum = void (*)(const GateSumArgs& args);

/// The fastest that this machine runs.
GateSum gate_sum();
/// For tests. The instruction set must be available.
GateSum gate_sum_of(Isa isa);

}  // namespace switchyard::xccl
