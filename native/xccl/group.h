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
  /// Of zero-copy parts: they may be changed when this call has returned. Takes a round more, and pays where one buffer in place of
  /// two by turns spares the caches more than that (docs/xccl.md). Members need not choose the same.
  bool is_free_on_return = false;
};

// ---- Collectives: `event` and sizes (root, type) are equal in all members, else Mismatch ----
//
// is_zero_copy: the bytes that this rank contributes lie in app() or zc(), members pull them from there, and they may be changed
// only when the group's next call has returned (fence() at the latest). Members need not choose the same.

struct BroadcastArgs {
  uint32_t event = 0;
  uint32_t root = 0;           // rank
  std::span<std::byte> bytes;  // of the root read, of the others written
  bool is_zero_copy = false;   // of the root; ignored in others
};

struct AllGatherArgs {
  uint32_t event = 0;
  std::span<const std::byte> mine;
  std::span<std::byte> all;  // [num_members][mine.size()]; `mine` may be its own place in it
  bool is_zero_copy = false;
};

struct AllGatherVariableArgs {
  uint32_t event = 0;
  std::span<const std::byte> mine;  // any size; may be where parts[member_idx()] begins
  std::span<RecvPart> parts;        // [num_members]: a larger contribution than there is room for is a Mismatch
  bool is_zero_copy = false;
};

enum class ElementType : uint8_t { kFloat32 = 0, kInt32 = 1 };

/// Sums over the members, each element in the tree order of docs/numerics.md over the members: the same bits in all members,
/// whatever the sizes. int32 wraps. Payloads of NaNs are not specified.
struct ReduceArgs {
  uint32_t event = 0;
  ElementType type = ElementType::kFloat32;
  std::span<const std::byte> in;  // whole elements, the same number in all members
  /// all_reduce: as large as `in`, and may be `in`. reduce_scatter: this member's part, and may be that part of `in`. Of N
  /// elements and n members the first N mod n members have N / n + 1, the others N / n.
  std::span<std::byte> out;
  bool is_zero_copy = false;  // all_reduce: `in` may be changed as soon as the call has returned
};

class Rounds;

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

  /// Returns when all members have called it.
  virtual Status barrier(uint32_t event, Deadline deadline) = 0;
  virtual Status broadcast(const BroadcastArgs& args, Deadline deadline) = 0;
  virtual Status all_gather(const AllGatherArgs& args, Deadline deadline) = 0;
  virtual Status all_gather_variable(const AllGatherVariableArgs& args, Deadline deadline) = 0;
  virtual Status reduce_scatter(const ReduceArgs& args, Deadline deadline) = 0;
  virtual Status all_reduce(const ReduceArgs& args, Deadline deadline) = 0;

  /// The engine under all of these, for the library's operations that are objects of their own (ExpertParallel).
  virtual Rounds& rounds() = 0;
};

}  // namespace switchyard::xccl
