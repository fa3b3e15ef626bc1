// Bounds-checked copies to and from a target's mapped areas: what `self` and `shm` have in common.
#pragma once

#include "xccl/transport/fabric.h"

namespace switchyard::xccl {

class MappedMemory {
 public:
  explicit MappedMemory(const TargetMemory& memory) : memory_(memory) {}

  /// Null when [offset, offset + num_bytes) is not inside the area.
  std::byte* at(Area area, uint64_t offset, uint64_t num_bytes) const;
  Status put(Area area, uint64_t offset, std::span<const std::byte> src) const;
  Status get(Area area, uint64_t offset, std::span<std::byte> dst) const;
  Status put_with_signal(uint64_t offset, std::span<const std::byte> src, const Signal& signal) const;

 private:
  TargetMemory memory_;
};

/// Earlier loads stay before later ones, earlier stores before later ones. Not std::atomic_thread_fence, which
/// ThreadSanitizer does not know; no happens-before is built on it between threads of one process.
inline void memory_order_point() {
#if defined(__x86_64__)
  asm volatile("" ::: "memory");
#else
  __sync_synchronize();
#endif
}

}  // namespace switchyard::xccl
