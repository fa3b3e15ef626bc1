// Fetching a line ahead of a store to it.
#pragma once

namespace switchyard {

/// Begins to fetch the line for writing: it leaves the other cores' caches. By hand, since without a flag of its own a compiler
/// makes a fetch for reading of __builtin_prefetch(at, 1). Processors that do not know the instruction pass over it.
inline void prefetch_for_write(const void* at) {
#if defined(__x86_64__)
  asm volatile("prefetchw %0" : : "m"(*static_cast<const char*>(at)));
#else
  __builtin_prefetch(at, 1);
#endif
}

}  // namespace switchyard
