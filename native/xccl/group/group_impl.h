// GroupImpl: a group's operations, each in a file of its own, behind the public interface. Made by the communicator.
#pragma once

#include <memory>

#include "xccl/group.h"
#include "xccl/group/all_to_all.h"
#include "xccl/group/collectives.h"
#include "xccl/group/fence.h"
#include "xccl/group/rounds.h"

namespace switchyard::xccl {

class GroupImpl final : public Group {
 public:
  /// `owner` keeps the memory that the rounds use.
  GroupImpl(std::shared_ptr<void> owner, std::unique_ptr<Rounds> rounds)
      : owner_(std::move(owner)), rounds_(std::move(rounds)) {}

  const GroupSpec& spec() const override { return rounds_->spec(); }
  uint32_t member_idx() const override { return rounds_->self(); }

  Status fence(Deadline deadline) override { return group_fence(*rounds_, deadline); }
  Status all_to_all(const AllToAllArgs& args, Deadline deadline) override {
    return xccl::all_to_all(*rounds_, args, deadline);
  }

  Status barrier(uint32_t event, Deadline deadline) override { return group_barrier(*rounds_, event, deadline); }
  Status broadcast(const BroadcastArgs& args, Deadline deadline) override {
    return group_broadcast(*rounds_, args, deadline);
  }
  Status all_gather(const AllGatherArgs& args, Deadline deadline) override {
    return group_all_gather(*rounds_, args, deadline);
  }
  Status all_gather_variable(const AllGatherVariableArgs& args, Deadline deadline) override {
    return group_all_gather_variable(*rounds_, args, deadline);
  }
  Status reduce_scatter(const ReduceArgs& args, Deadline deadline) override {
    return group_reduce_scatter(*rounds_, args, deadline);
  }
  Status all_reduce(const ReduceArgs& args, Deadline deadline) override {
    return group_all_reduce(*rounds_, args, deadline);
  }

  Rounds& rounds() override { return *rounds_; }

 private:
  std::shared_ptr<void> owner_;
  std::unique_ptr<Rounds> rounds_;
};

}  // namespace switchyard::xccl
