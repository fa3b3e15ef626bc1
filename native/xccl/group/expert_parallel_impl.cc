#include "xccl/group/expert_parallel_impl.h"

namespace switchyard::xccl {

Status ExpertParallel::open(std::shared_ptr<Group> group, ExpertParallelSpec spec,
                            std::unique_ptr<ExpertParallel>* out) {
  ExpertMap map;
  SWITCHYARD_RETURN_IF_ERROR(ExpertMap::create(std::move(spec), group->num_members(), &map));
  Rounds& rounds = group->rounds();
  const uint64_t needed = partition_bytes_of(map.spec());
  if (rounds.partition_bytes() < needed) {
    return {Code::kInvalidArgument, "expert parallel: the group's partition_bytes are " +
                                        std::to_string(rounds.partition_bytes()) + ", needed are " +
                                        std::to_string(needed)};
  }
  *out = std::make_unique<ExpertParallelImpl>(std::move(group), rounds, std::move(map));
  return {};
}

Status ExpertParallelImpl::dispatch(const DispatchArgs& args, Deadline deadline, DispatchResult* result) {
  is_dispatched_ = false;
  SWITCHYARD_RETURN_IF_ERROR(dispatch_.check(args));
  SWITCHYARD_RETURN_IF_ERROR(
      rounds_.call(tag(Operation::kDispatch, args.event), deadline, [&] { return dispatch_.run(args); }));
  is_dispatched_ = true;
  *result = dispatch_.result();
  return {};
}

Status ExpertParallelImpl::combine(const CombineArgs& args, Deadline deadline) {
  if (!is_dispatched_) return {Code::kInvalidArgument, "combine: there is no dispatch that it belongs to"};
  SWITCHYARD_RETURN_IF_ERROR(combine_.check(args));
  is_dispatched_ = false;
  return rounds_.call(tag(Operation::kCombine, args.event), deadline, [&] { return combine_.run(args); });
}

}  // namespace switchyard::xccl
