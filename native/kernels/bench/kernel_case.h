// A bench case of a kernel: one thread, pinned, runs it again and again on operands made for it, and reports the rate at which it does
// its work. What that work is goes along (operations, bytes, span), so that tools/bench can hold the rate against the machine's roofline.
// Used by the *_bench.cc beside the kernels.
//
//   const CaseTable table(cases_of_forms(&KernelTable::combine, shapes(), [](auto kernel, const Shape& shape) -> KernelBench { ... }));
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/bench/case.h"
#include "kernels/registry.h"

namespace switchyard::bench {

/// Of a rate: operations of fp32 or of integers, or bytes; 1e9 a second.
enum class RateUnit { kGflops, kGops, kGbytes };

/// What one run has to do, whatever the form of the kernel.
struct KernelWork {
  double operations = 0;    // of its formula in docs/numerics.md: an fma counts two, every other operation one
  double bytes = 0;         // read or written, each byte of the operands once
  uint64_t span_bytes = 0;  // visited before the same bytes are visited again: what decides which cache they come from
};

/// Runs a kernel so many times.
using KernelRun = std::function<void(uint64_t num_runs)>;

struct KernelBench {
  std::string name;  // shapes and `hot` or `cold`: whether the operands are those of the run before
  RateUnit unit = RateUnit::kGflops;
  KernelWork work;
  std::function<KernelRun()> make;  // called when the case runs: makes the operands
};

/// The case "kernels/NAME/FORM".
Case case_of(const KernelBench& bench, const std::string& form);

/// Of a limit of the machine, measured in the same way: "limits/NAME".
Case limit_case_of(const KernelBench& bench);

/// `body(turn)` so many times, in one call: a std::function call each would show beside small kernels. Turns go on from call to call.
template <class Body>
KernelRun looped(Body body) {
  return [body, turn = uint64_t{0}](uint64_t num_runs) mutable {
    for (uint64_t i = 0; i < num_runs; ++i) body(turn++);
  };
}

/// The instruction sets of this machine that bring a form of a kernel; a form is named after the first set that has it.
template <class Kernel>
std::vector<Isa> isas_with_forms(Kernel KernelTable::*column) {
  std::vector<Isa> result;
  // By what they add, not by speed.
  std::vector<Isa> isas(available_isas().begin(), available_isas().end());
  std::sort(isas.begin(), isas.end());
  std::vector<Kernel> known{kernels_of(Isa::kScalar).*column};
  for (const Isa isa : isas) {
    const Kernel kernel = kernels_of(isa).*column;
    if (std::find(known.begin(), known.end(), kernel) != known.end()) continue;
    known.push_back(kernel);
    result.push_back(isa);
  }
  return result;
}

/// Every shape in every vector form of a kernel that this machine has.
template <class Kernel, class Shape, class Describe>
std::vector<Case> cases_of_forms(Kernel KernelTable::*column, const std::vector<Shape>& shapes, Describe describe) {
  std::vector<Case> result;
  for (const Shape& shape : shapes) {
    for (const Isa isa : isas_with_forms(column))
      result.push_back(case_of(describe(kernels_of(isa).*column, shape), isa_name(isa)));
  }
  return result;
}

/// More than the caches have room for, as far as machines go: what is visited once in so many bytes comes from memory.
inline constexpr size_t kColdBytes = size_t{512} << 20;

/// The first `num_bytes` (up to kColdBytes) of memory that holds ordinary numbers of either sign, whether read as fp32, bf16 or int8. On a
/// boundary of a page; pages as the system gives them. The same memory in every case.
const std::byte* ordinary_bytes(size_t num_bytes);

/// The operand of the current turn: in a cold case the next of as many as lie in kColdBytes, else always the first.
struct Rotation {
  Rotation(size_t operand_bytes, bool is_cold)
      : stride((operand_bytes + 63) / 64 * 64),
        num_operands(is_cold ? kColdBytes / stride : 1),
        first(ordinary_bytes(stride * num_operands)) {}
  template <class T>
  const T* at(uint64_t turn) const {
    return reinterpret_cast<const T*>(first + turn % num_operands * stride);
  }

  size_t stride;
  size_t num_operands;
  const std::byte* first;
};

/// Ordinary numbers of a vector of their own, for operands that a kernel writes.
std::vector<float> ordinary_floats(size_t count);

/// The span of a case: of a cold one all of kColdBytes.
inline uint64_t span_of(double bytes, bool is_cold) { return is_cold ? kColdBytes : static_cast<uint64_t>(bytes); }

inline const char* warmth_of(bool is_cold) { return is_cold ? "cold" : "hot"; }

}  // namespace switchyard::bench
