// MemberWatch: which ranks of a plan are gone, for a barrier that would wait for them in vain: dead now, or replaced by a new epoch since
// the last look. Used by Expert's thread alone. A rank that has never been linked may still come.
#pragma once

#include <array>
#include <cstdint>

#include "xccl/link/peer_table.h"

namespace switchyard::xccl {

class MemberWatch {
 public:
  /// Looks at the links of the ranks in `mask`.
  void look(const PeerTable& peers, uint64_t mask);

  /// Not linked any more.
  uint64_t dead() const { return dead_; }
  /// dead(), and those that died and came again between the last two looks: what was awaited from them before will not come.
  uint64_t gone() const { return dead_ | replaced_; }
  /// Whether what this epoch of a rank has sent has lost its sender. A newer epoch may be known here only later.
  bool is_over(uint32_t rank, uint64_t epoch) const {
    return epoch < epochs_[rank] || (epoch == epochs_[rank] && (dead_ >> rank & 1) != 0);
  }

 private:
  uint64_t dead_ = 0;
  uint64_t replaced_ = 0;
  std::array<uint64_t, kNumRanksMax> epochs_{};  // as last seen; 0: never linked
};

}  // namespace switchyard::xccl
