#include "xccl/group/fence.h"

namespace switchyard::xccl {

Status group_fence(Rounds& rounds, Deadline deadline) {
  return rounds.call({Operation::kFence}, deadline, [&]() -> Status {
    const std::array<Outgoing, kNumRanksMax> nothing{};
    SWITCHYARD_RETURN_IF_ERROR(rounds.publish({nothing.data(), rounds.size()}));
    return rounds.take_each([](const Arrival&) { return Status(); });
  });
}

}  // namespace switchyard::xccl
