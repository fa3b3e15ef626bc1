// The one-sided calls of a Messenger: registered regions, put and get, signals in the zero-copy area. Stateless, so thread-safe; the
// peers take no part in them.
#pragma once

#include "xccl/link/local_rank.h"
#include "xccl/messenger.h"

namespace switchyard::xccl {

class OneSided {
 public:
  explicit OneSided(LocalRank& local) : local_(local) {}

  Status register_region(RegionArea area, uint64_t offset, uint64_t num_bytes, Region* out) const;
  /// Is it a region of this rank, in this epoch and inside its area?
  Status check_own(const Region& region) const;

  Status put(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload);
  Status put_with_signal(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload, uint64_t signal_offset,
                         uint64_t value);
  Status wait_signal(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline);
  Status get(const Region& region, std::span<std::byte> dst, Deadline deadline);

 private:
  Status open(uint32_t rank, LinkRef* link);
  std::atomic<uint64_t>* signal_word(uint64_t offset) const;

  LocalRank& local_;
};

}  // namespace switchyard::xccl
