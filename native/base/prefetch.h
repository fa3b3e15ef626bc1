// Fetching lines ahead of loads from them and stores to them.
#pragma once

#include <cstddef>

namespace switchyard {

inline constexpr size_t kPrefetchLineBytes = 64;

/// Begins to fetch the line for writing: it leaves the other cores' caches. By hand, since without a flag of its own a compiler
/// makes a fetch for reading of __builtin_prefetch(at, 1). Processors that do not know the instruction pass over it.
inline void prefetch_for_write(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

/// The same for reading. By hand, too: gcc takes a function that does nothing but __builtin_prefetch for one without effects and
/// drops the calls of it.
inline void prefetch_for_read(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetcht0 %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at);
#endif
}

/// All lines of a range that begins with one.
inline void prefetch_range_for_write(const std::byte* at, size_t num_bytes) {
  for (size_t line = 0; line < num_bytes; line += kPrefetchLineBytes) prefetch_for_write(at + line);
}
inline void prefetch_range_for_read(const std::byte* at, size_t num_bytes) {
  for (size_t line = 0; line < num_bytes; line += kPrefetchLineBytes) prefetch_for_read(at + line);
}

}  // namespace switchyard
