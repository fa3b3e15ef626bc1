// ExpertParallelImpl: dispatch and combine as calls of their group.
#pragma once

#include "xccl/group/combine.h"

namespace switchyard::xccl {

class ExpertParallelImpl final : public ExpertParallel {
 public:
  ExpertParallelImpl(std::shared_ptr<Group> group, Rounds& rounds, ExpertMap map)
      : group_(std::move(group)),
        rounds_(rounds),
        map_(std::move(map)),
        dispatch_(rounds, map_),
        combine_(rounds, map_, dispatch_) {}

  const ExpertParallelSpec& spec() const override { return map_.spec(); }
  Status dispatch(const DispatchArgs& args, Deadline deadline, DispatchResult* result) override;
  Status combine(const CombineArgs& args, Deadline deadline) override;

 private:
  CallTag tag(Operation operation, uint32_t event) const {
    return {operation, event, map_.packed(), ExpertMap::packed_text};
  }

  const std::shared_ptr<Group> group_;  // keeps the rounds
  Rounds& rounds_;
  const ExpertMap map_;
  Dispatch dispatch_;
  Combine combine_;
  bool is_dispatched_ = false;  // and not combined yet
};

}  // namespace switchyard::xccl
