// Copies of at most 16 bytes without a call: the payload of an inline message.
#pragma once

#include <cstddef>
#include <cstring>

namespace switchyard::xccl {

/// num_bytes <= 16. Larger units overlap instead of a loop over the rest.
inline void small_copy(void* dst, const void* src, size_t num_bytes) {
  auto* to = static_cast<std::byte*>(dst);
  const auto* from = static_cast<const std::byte*>(src);
  const auto copy_ends = [&](auto unit) {
    decltype(unit) first;
    decltype(unit) last;
    std::memcpy(&first, from, sizeof(unit));
    std::memcpy(&last, from + num_bytes - sizeof(unit), sizeof(unit));
    std::memcpy(to, &first, sizeof(unit));
    std::memcpy(to + num_bytes - sizeof(unit), &last, sizeof(unit));
  };
  if (num_bytes >= 8) return copy_ends(uint64_t{});
  if (num_bytes >= 4) return copy_ends(uint32_t{});
  for (size_t i = 0; i < num_bytes; ++i) to[i] = from[i];
}

}  // namespace switchyard::xccl
