// The vector form of the gate sum. A *_avx2.cc or *_avx512.cc file instantiates it with its registers (`Lanes`: 8 or 16 numbers);
// the numbers after the last full block go through the same registers, padded. All in an anonymous namespace: code of one
// instruction set must not be merged with another's.
#pragma once

#include <cstring>

#include "xccl/group/gate_sum_variants.h"
#include "xccl/layout/units.h"

namespace switchyard::xccl {
namespace {

constexpr uint64_t number_bytes(RowFormat format) {
  return format == RowFormat::kFp32 ? 4 : format == RowFormat::kBf16 ? 2 : 1;
}

/// The factor of each output: 1 unless it is an INT8 row with its scale.
template <RowFormat kWire>
void load_scales(const GateSumArgs& args, float* scales) {
  for (uint32_t k = 0; k < args.num_outputs && kWire == RowFormat::kInt8; ++k)
    std::memcpy(&scales[k], args.outputs[k] + int8_scale_offset(args.hidden), sizeof(float));
}

/// Has the rows of a later sum fetched, as far as those of this one are read: their lines come while these numbers are added. A
/// row is too short for the processor to notice in time that it is read in order.
template <class Lanes, RowFormat kWire, uint32_t kNumVectors>
void fetch_next(const GateSumArgs& args, uint64_t at) {
  constexpr uint64_t kBytes = kNumVectors * Lanes::kWidth * number_bytes(kWire);
  for (uint32_t k = 0; k < args.num_next; ++k) {
    const std::byte* from = args.next_outputs[k] + at * number_bytes(kWire);
    for (uint64_t line = 0; line < kBytes; line += kLineBytes) __builtin_prefetch(from + line);
  }
}

template <class Lanes, RowFormat kFormat>
void store_two(std::byte* p, typename Lanes::Vector first, typename Lanes::Vector second) {
  if constexpr (kFormat == RowFormat::kBf16) return Lanes::store_two_bf16(p, first, second);
  Lanes::template store<kFormat>(p, first);
  Lanes::template store<kFormat>(p + Lanes::kWidth * number_bytes(kFormat), second);
}

/// kNumVectors registers from number `at` on.
template <class Lanes, RowFormat kWire, RowFormat kActivation, uint32_t kNumVectors>
void sum_block(const GateSumArgs& args, const float* scales, uint64_t at) {
  typename Lanes::Vector sums[kNumVectors];
  for (uint32_t v = 0; v < kNumVectors; ++v) {
    const uint64_t i = at + v * Lanes::kWidth;
    sums[v] =
        args.shared ? Lanes::template load<kActivation>(args.shared + i * number_bytes(kActivation)) : Lanes::zero();
  }
  fetch_next<Lanes, kWire, kNumVectors>(args, at);
  for (uint32_t k = 0; k < args.num_outputs; ++k) {
    const auto gate = Lanes::broadcast(args.gates[k]);
    for (uint32_t v = 0; v < kNumVectors; ++v) {
      const uint64_t i = at + v * Lanes::kWidth;
      auto output = Lanes::template load<kWire>(args.outputs[k] + i * number_bytes(kWire));
      if constexpr (kWire == RowFormat::kInt8) output = Lanes::mul(output, Lanes::broadcast(scales[k]));
      sums[v] = Lanes::fma(gate, output, sums[v]);
    }
  }
  std::byte* y = args.y + at * number_bytes(kActivation);
  if constexpr (kNumVectors == 1) return Lanes::template store<kActivation>(y, sums[0]);
  for (uint32_t v = 0; v + 1 < kNumVectors; v += 2)
    store_two<Lanes, kActivation>(y + v * Lanes::kWidth * number_bytes(kActivation), sums[v], sums[v + 1]);
}

/// Fewer numbers than a register from `at` on: by padded copies.
template <class Lanes, RowFormat kWire, RowFormat kActivation>
void sum_tail(const GateSumArgs& args, const float* scales, uint64_t at) {
  const uint64_t count = args.hidden - at;
  std::byte outputs[kTopKMax][Lanes::kWidth * number_bytes(kWire)] = {};
  std::byte y[Lanes::kWidth * number_bytes(kActivation)] = {};
  const std::byte* rows[kTopKMax];
  for (uint32_t k = 0; k < args.num_outputs; ++k) {
    std::memcpy(outputs[k], args.outputs[k] + at * number_bytes(kWire), count * number_bytes(kWire));
    rows[k] = outputs[k];
  }
  if (args.shared) std::memcpy(y, args.shared + at * number_bytes(kActivation), count * number_bytes(kActivation));
  GateSumArgs padded = args;
  padded.outputs = rows;
  padded.num_next = 0;
  padded.shared = args.shared ? y : nullptr;
  padded.y = y;
  sum_block<Lanes, kWire, kActivation, 1>(padded, scales, 0);
  std::memcpy(args.y + at * number_bytes(kActivation), y, count * number_bytes(kActivation));
}

template <class Lanes, RowFormat kWire, RowFormat kActivation>
void sum_rows(const GateSumArgs& args) {
  float scales[kTopKMax];
  load_scales<kWire>(args, scales);
  constexpr uint32_t kNumVectors = 4;
  uint64_t at = 0;
  for (; at + kNumVectors * Lanes::kWidth <= args.hidden; at += kNumVectors * Lanes::kWidth)
    sum_block<Lanes, kWire, kActivation, kNumVectors>(args, scales, at);
  for (; at + Lanes::kWidth <= args.hidden; at += Lanes::kWidth)
    sum_block<Lanes, kWire, kActivation, 1>(args, scales, at);
  if (at < args.hidden) sum_tail<Lanes, kWire, kActivation>(args, scales, at);
}

template <class Lanes, RowFormat kWire>
void sum_wire(const GateSumArgs& args) {
  if (args.activation == RowFormat::kFp32) return sum_rows<Lanes, kWire, RowFormat::kFp32>(args);
  sum_rows<Lanes, kWire, RowFormat::kBf16>(args);
}

template <class Lanes>
void run_gate_sum(const GateSumArgs& args) {
  if (args.wire == RowFormat::kFp32) return sum_wire<Lanes, RowFormat::kFp32>(args);
  if (args.wire == RowFormat::kBf16) return sum_wire<Lanes, RowFormat::kBf16>(args);
  sum_wire<Lanes, RowFormat::kInt8>(args);
}

}  // namespace
}  // namespace switchyard::xccl
