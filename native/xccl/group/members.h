// The members of one group as links: taken at the start of a call and let go at its end, and refused when a link is not the one
// that the group was opened with. Used by Rounds alone.
#pragma once

#include <array>

#include "xccl/group.h"
#include "xccl/link/local_rank.h"

namespace switchyard::xccl {

class Members {
 public:
  /// Checks the spec (InvalidArgument), and that every member is linked and has the same groups (Unsupported).
  static Status open(LocalRank& local, GroupSpec spec, Members* out);

  const GroupSpec& spec() const { return spec_; }
  uint32_t size() const { return static_cast<uint32_t>(spec_.ranks.size()); }
  uint32_t self() const { return self_; }
  uint32_t rank(uint32_t member) const { return spec_.ranks[member]; }

  /// Takes all links. PeerDead and the like when one is gone; Stale when the rank was linked again since.
  Status hold(LocalRank& local);
  void let_go();
  const LinkRef& link(uint32_t member) const { return links_[member]; }

  /// Bit a member: it runs on cores that this rank does not run on, so it goes on while this rank looks for it.
  uint64_t elsewhere() const { return elsewhere_; }

  /// Begins to fetch the lines at `offset` of this rank's fields in all members for writing, where the fabric can: the puts that
  /// follow would wait for one after the other.
  void prefetch_fields(uint64_t offset) const {
    for (uint32_t member = 0; member < size(); ++member) {
      if (own_fields_[member]) __builtin_prefetch(own_fields_[member] + offset, 1);
    }
  }

 private:
  static Status check_spec(const LocalRank& local, const GroupSpec& spec);
  Status note_cores(uint32_t member, const LinkRef& link, CoreMask own);

  GroupSpec spec_;
  uint32_t self_ = 0;
  std::array<uint64_t, kNumRanksMax> serials_{};
  std::array<LinkRef, kNumRanksMax> links_;
  uint64_t elsewhere_ = 0;
  std::array<std::byte*, kNumRanksMax> own_fields_{};  // in the members' segments; null where they cannot be mapped
};

}  // namespace switchyard::xccl
