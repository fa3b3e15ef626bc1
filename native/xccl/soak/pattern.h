// What the app area of a rank holds in a soak run: bytes that tell rank, epoch and offset apart.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace switchyard::xccl::soak {

inline std::byte pattern_byte(uint32_t rank, uint64_t epoch, uint64_t offset) {
  const uint64_t word = (offset / 8 + 1) * 0x9e3779b97f4a7c15ull ^ (epoch * 64 + rank) * 0xbf58476d1ce4e5b9ull;
  return static_cast<std::byte>(word >> (8 * (offset % 8)));
}

inline void fill_pattern(std::span<std::byte> area, uint32_t rank, uint64_t epoch) {
  for (uint64_t i = 0; i < area.size(); ++i) area[i] = pattern_byte(rank, epoch, i);
}

/// `bytes` begins at `offset` of the area.
inline bool is_pattern(std::span<const std::byte> bytes, uint64_t offset, uint32_t rank, uint64_t epoch) {
  for (uint64_t i = 0; i < bytes.size(); ++i) {
    if (bytes[i] != pattern_byte(rank, epoch, offset + i)) return false;
  }
  return true;
}

}  // namespace switchyard::xccl::soak
