// A pause inside a loop that looks at a word until it changes.
#pragma once

namespace switchyard {

/// Passes a moment without giving the core away; it also takes the looks off the line that is waited for.
inline void cpu_relax() {
#if defined(__x86_64__)
  asm volatile("pause");
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

}  // namespace switchyard
