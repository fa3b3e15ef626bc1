// PullTable: from which size on a message reaches its receiver quicker when that reads it out of the sender's memory than through the
// ring, and a region when a helping thread copies too. Measured once a process, when the first message is sent that could gain: what a
// cache line costs that changes its owner decides it, and that differs between processors more than a program could guess.
#pragma once

#include <string_view>

#include "base/status.h"
#include "xccl/p2p/read_helper.h"
#include "xccl/types.h"
#include "xccl/wait/cores.h"

namespace switchyard::xccl {

/// Smaller messages always go through the ring, and nothing is measured for them: their sends are over at once.
inline constexpr uint64_t kPullBytesMin = 16 << 10;

struct PullTable {
  // Bytes of a whole message from which on it is quicker pulled
  uint64_t alone_min = UINT64_MAX;   // by the receiver's thread
  uint64_t helped_min = UINT64_MAX;  // by that and a helping one, on the core of a sender that waits
  /// Bytes of a region from which on these two copy it quicker than the receiver's thread alone.
  uint64_t region_helped_min = UINT64_MAX;

  /// This process's table; the first call takes some 10 ms, on a busy machine up to 100. `peer_cores`: where the receiver runs, which waits meanwhile. On a single
  /// core nothing can be compared, and the ring stays.
  static const PullTable& measured(CoreMask peer_cores, const RingShape& ring);
};

/// Is a message of this size to be offered to a peer on these cores? kAuto looks into the table.
bool is_pulled(PullMode mode, uint64_t num_bytes, bool is_helped, CoreMask peer_cores, const RingShape& ring);

/// Is a region of this size, whose sender waits, to be copied by two threads? Of the modes only kAlways counts, which forces it.
bool is_region_shared(PullMode mode, uint64_t num_bytes, CoreMask peer_cores, const RingShape& ring);

/// Finds a mode by its name (auto, always, off): SWITCHYARD_XCCL_PULL forces one. InvalidArgument lists the names.
Status pull_mode_from_name(std::string_view name, PullMode* out);

}  // namespace switchyard::xccl
