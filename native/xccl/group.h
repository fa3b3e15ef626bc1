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

/// Room for what one member sends, and how much it was.
struct RecvPart {
  std::span<std::byte> into;
  uint64_t num_bytes = 0;  // received
};

struct AllToAllArgs {
  uint32_t event = 0;                                 // equal in all members
  std::span<const std::span<const std::byte>> parts;  // [num_members]: what each is sent; empty ones are allowed
  std::span<RecvPart> received;  // [num_members]: a larger part than there is room for is a Mismatch
  /// False: parts are copied, and may be changed when the call returns; larger ones than partition_bytes take several rounds.
  /// True: all parts lie in app() or zc(), members pull them from there, and they may be changed only when the group's next
  /// call has returned (fence() at the latest).
  bool is_zero_copy = false;
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

  /// Each member sends each member a part. Returns when this rank has received all of its own.
  virtual Status all_to_all(const AllToAllArgs& args, Deadline deadline) = 0;
};

}  // namespace switchyard::xccl
