#include "xccl/group/fence.h"

namespace switchyard::xccl {

Status group_fence(Rounds& rounds, Deadline deadline) {
  return rounds.call({Operation::kFence}, deadline, [&]() -> Status {
    SWITCHYARD_RETURN_IF_ERROR(rounds.publish_each([](uint32_t) { return Outgoing(); }));
    return rounds.take_each([](const Arrival&) { return Status(); });
  });
}

}  // namespace switchyard::xccl
