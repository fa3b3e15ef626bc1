// Groups: ranks of one communicator that call the same operations in the same order. Opened by Communicator::open_group,
// used by executors and benches (docs/xccl.md, "Groups"). Payload is opaque bytes.
//
// A failed call breaks the group: every later call returns the first failure, and the other members hear of it, until all open
// the group again with a higher generation. InvalidArgument for this rank's own arguments breaks nothing: nothing was sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// Equal in all members. Only one thread at a time may use a group id of a rank.
struct GroupSpec {
  uint32_t id = 0;              // below config.group.num_groups
  uint32_t generation = 0;      // 1 to 2^20 - 1, and higher each time that this id is opened
  std::vector<uint32_t> ranks;  // ascending, this rank among them
};

class Group {
 public:
  virtual ~Group() = default;

  virtual const GroupSpec& spec() const = 0;
  uint32_t num_members() const { return static_cast<uint32_t>(spec().ranks.size()); }
  /// This rank's place in spec().ranks. All spans "a member" are in that order.
  virtual uint32_t member_idx() const = 0;

  /// After it all members have finished all earlier calls: zero-copy sources of those may be changed.
  virtual Status fence(Deadline deadline) = 0;
};

}  // namespace switchyard::xccl
