// Sizes and helpers that all layouts share.
#pragma once

#include <cstdint>

namespace switchyard::xccl {

inline constexpr uint64_t kPageBytes = 4096;
inline constexpr uint64_t kLineBytes = 64;

constexpr uint64_t round_up(uint64_t value, uint64_t unit) { return (value + unit - 1) / unit * unit; }

}  // namespace switchyard::xccl
