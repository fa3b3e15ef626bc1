// Which generation of each group id this rank has opened last. Owned by the communicator, shared by its groups: a group that was
// opened again elsewhere finds out that it is the old one.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>

#include "xccl/types.h"

namespace switchyard::xccl {

class GroupGenerations {
 public:
  uint32_t current(uint32_t id) const { return current_[id].load(std::memory_order_relaxed); }

  /// False when `generation` is not higher than the last one.
  bool raise(uint32_t id, uint32_t generation) {
    uint32_t last = current(id);
    while (last < generation) {
      if (current_[id].compare_exchange_weak(last, generation, std::memory_order_relaxed)) return true;
    }
    return false;
  }

 private:
  std::array<std::atomic<uint32_t>, kNumGroupsMax> current_{};
};

}  // namespace switchyard::xccl
