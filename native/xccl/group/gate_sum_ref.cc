// The reference of the gate sum: the definition, one number at a time.
#include <cmath>
#include <cstring>

#include "base/dtype.h"
#include "base/quantize_row.h"
#include "xccl/group/gate_sum_variants.h"

namespace switchyard::xccl {
namespace {

template <class Number>
Number load(const std::byte* at) {
  Number value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

float number_at(const std::byte* row, RowFormat format, uint32_t hidden, uint32_t i) {
  if (format == RowFormat::kFp32) return load<float>(row + 4ull * i);
  if (format == RowFormat::kBf16) return bf16_to_float(load<uint16_t>(row + 2ull * i));
  return static_cast<float>(load<int8_t>(row + i)) * load<float>(row + int8_scale_offset(hidden));
}

}  // namespace

void gate_sum_ref(const GateSumArgs& args) {
  for (uint32_t i = 0; i < args.hidden; ++i) {
    float sum = args.shared ? number_at(args.shared, args.activation, args.hidden, i) : 0;
    for (uint32_t k = 0; k < args.num_outputs; ++k)
      sum = std::fma(args.gates[k], number_at(args.outputs[k], args.wire, args.hidden, i), sum);
    const uint16_t narrow = float_to_bf16(sum);
    if (args.activation == RowFormat::kFp32) {
      std::memcpy(args.y + 4ull * i, &sum, sizeof(sum));
    } else {
      std::memcpy(args.y + 2ull * i, &narrow, sizeof(narrow));
    }
  }
}

}  // namespace switchyard::xccl
