// Which instruction sets this machine, its operating system (XCR0) and this build can run, and which one is in use.
// SWITCHYARD_ISA forces one; a name that is unknown or not available is an error, never a silent fallback.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace switchyard {

/// Each with all that those before it have.
enum class Isa : uint8_t { kScalar, kAvx2, kAvx512, kAvx512Vnni, kAvx512Bf16 };

const char* isa_name(Isa isa);

/// Row of a table that ends with AVX-512, for operations to which its extensions add nothing.
constexpr size_t row_up_to_avx512(Isa isa) { return static_cast<size_t>(std::min(isa, Isa::kAvx512)); }

/// Slowest first; never empty.
std::span<const Isa> available_isas();

/// The fastest one that is available, or the one that `forced` names (nullptr: not forced).
/// INVALID_ARGUMENT for an unknown name, UNSUPPORTED for one that is not available here; both list what there is.
Status choose_isa(const char* forced, Isa* isa);

}  // namespace switchyard
