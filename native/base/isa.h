// Which instruction sets this machine, its operating system (XCR0) and this build can run, and which one is in use.
// SWITCHYARD_ISA forces one; a name that is unknown or not available is an error, never a silent fallback.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "base/status.h"

namespace switchyard {

/// Each with all that those before it have, but that one with AVX-512 need not have AVX-VNNI, the form of its VNNI in AVX2's registers.
enum class Isa : uint8_t { kScalar, kAvx2, kAvxVnni, kAvx512, kAvx512Vnni, kAvx512Bf16 };

const char* isa_name(Isa isa);

/// Row of a table {scalar, AVX2, AVX-512}, for operations to which extensions of these add nothing.
constexpr size_t row_without_extensions(Isa isa) { return isa == Isa::kScalar ? 0 : isa < Isa::kAvx512 ? 1 : 2; }

/// Slowest first; never empty.
std::span<const Isa> available_isas();

/// Does `rep movsb` copy as quickly as vectors wherever the bytes lie? Known of AMD's Zen 5 and later (base/plain_copy.h).
bool has_quick_string_copy();

/// The fastest one that is available, or the one that `forced` names (nullptr: not forced).
/// INVALID_ARGUMENT for an unknown name, UNSUPPORTED for one that is not available here; both list what there is.
Status choose_isa(const char* forced, Isa* isa);

}  // namespace switchyard
