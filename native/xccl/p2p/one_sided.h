// The one-sided calls of a Messenger: registered regions, put and get, signals in the zero-copy area. The peers take no part in
// them. put and put_with_signal belong to the sending thread, wait_signal to the receiving one.
#pragma once

#include "xccl/link/local_rank.h"
#include "xccl/messenger.h"
#include "xccl/p2p/puller.h"

namespace switchyard::xccl {

class OneSided {
 public:
  OneSided(LocalRank& local, Puller& puller) : local_(local), puller_(puller) {}

  Status register_region(RegionArea area, uint64_t offset, uint64_t num_bytes, Region* out) const;
  /// Is it a region of this rank, in this epoch and inside its area?
  Status check_own(const Region& region) const;

  Status put(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload);
  Status put_with_signal(uint32_t dest, uint64_t zc_offset, std::span<const std::byte> payload, uint64_t signal_offset,
                         uint64_t value);
  Status wait_signal(uint32_t src, uint64_t signal_offset, uint64_t value, Deadline deadline);
  Status get(const Region& region, std::span<std::byte> dst, Deadline deadline);

 private:
  LinkRef acquire(uint32_t rank, SoleUser user);
  Status explain(uint32_t rank) const;
  std::atomic<uint64_t>* signal_word(uint64_t offset) const;

  LocalRank& local_;
  Puller& puller_;
};

}  // namespace switchyard::xccl
