// One row from one format to the same or a narrower one, as it is written to where peers pull it from. Called by dispatch and
// combine.
#pragma once

#include <cstring>

#include "base/dtype.h"
#include "base/quantize_row.h"
#include "xccl/expert_parallel.h"

namespace switchyard::xccl {

/// `want` is `have` or narrower.
inline void convert_row(const std::byte* from, RowFormat have, RowFormat want, uint64_t hidden, std::byte* to) {
  if (have == want) {
    std::memcpy(to, from, row_bytes_of(want, hidden));
    return;
  }
  const QuantizeKernels& kernels = quantize_kernels();
  if (want == RowFormat::kBf16) {
    kernels.round_bf16(reinterpret_cast<const float*>(from), hidden, reinterpret_cast<uint16_t*>(to));
    return;
  }
  auto* q = reinterpret_cast<int8_t*>(to);
  const float scale = have == RowFormat::kFp32 ? kernels.from_f32(reinterpret_cast<const float*>(from), hidden, q)
                                               : kernels.from_bf16(reinterpret_cast<const uint16_t*>(from), hidden, q);
  std::memcpy(to + int8_scale_offset(hidden), &scale, sizeof(scale));
}

}  // namespace switchyard::xccl
