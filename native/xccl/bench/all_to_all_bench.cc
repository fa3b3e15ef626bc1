// All-to-all of equal parts: the counterpart of MPI_Alltoall. What is sent lies in the app area, what is received in private memory.
// There are two buffers to send from by turns, since one may be written again only when the next call has returned; or one, and the parts
// are free when the call returns: docs/xccl.md says which is quicker when, and the cases are as it recommends.
#include <algorithm>
#include <cstring>

#include "xccl/bench/group_support.h"

namespace switchyard::xccl::bench {

namespace {

enum class Sending : uint8_t { kByTurns, kFreeOnReturn };

/// The parts of one rank: [buffer][member][part_bytes] to send, [member][part_bytes] to receive.
class Parts {
 public:
  Parts(Rank& rank, uint64_t part_bytes, Sending sending)
      : is_free_on_return_(sending == Sending::kFreeOnReturn), room_(rank.num_ranks() * part_bytes) {
    for (uint32_t member = 0; member < rank.num_ranks(); ++member) {
      received_.push_back({room_.span().subspan(member * part_bytes, part_bytes)});
      for (uint32_t buffer = 0; buffer < 2; ++buffer) {
        const auto part =
            rank.communicator().app().subspan((buffer * rank.num_ranks() + member) * part_bytes, part_bytes);
        std::memset(part.data(), static_cast<int>(mark(rank.rank(), member)), part.size());
        sent_[buffer].push_back(part);
      }
    }
  }

  AllToAllArgs args(uint32_t call) {
    return {call, sent_[is_free_on_return_ ? 0 : call % 2], received_, true, is_free_on_return_};
  }

  Status check(Rank& rank) const {
    for (uint32_t member = 0; member < received_.size(); ++member) {
      const RecvPart& part = received_[member];
      const auto is_right = [&](std::byte value) { return value == std::byte{mark(member, rank.rank())}; };
      if (part.num_bytes != part.into.size() || !std::ranges::all_of(part.into, is_right))
        return {Code::kInternal, "wrong bytes from rank " + std::to_string(member)};
    }
    return {};
  }

 private:
  static uint8_t mark(uint32_t from, uint32_t to) { return static_cast<uint8_t>(1 + from * 16 + to); }

  bool is_free_on_return_;
  PageBuffer room_;
  std::vector<RecvPart> received_;
  std::vector<std::span<const std::byte>> sent_[2];
};

Status run_all_to_all(uint32_t num_ranks, uint64_t part_bytes, Sending sending, const Options& options,
                      Report* report) {
  GroupSpec spec;
  spec.num_ranks = num_ranks;
  spec.configure = [=](CommunicatorConfig& config) {
    config.app_bytes = 2 * num_ranks * part_bytes;
    config.group = {1, 0, 4096};
  };
  return run_group(spec, options, report, [part_bytes, sending](Rank& rank) -> Status {
    std::shared_ptr<Group> group;
    SWITCHYARD_RETURN_IF_ERROR(open_group_of_all(rank, &group));
    Parts parts(rank, part_bytes, sending);
    uint32_t call = 0;
    SWITCHYARD_RETURN_IF_ERROR(rank.measure({.sample_ns_min = 2'000'000}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations; ++i, ++call)
        SWITCHYARD_RETURN_IF_ERROR(group->all_to_all(parts.args(call), rank.deadline()));
      return {};
    }));
    return parts.check(rank);
  });
}

template <uint32_t num_ranks, uint64_t part_bytes, Sending sending = Sending::kByTurns>
Status run(const Options& options, Report* report) {
  return run_all_to_all(num_ranks, part_bytes, sending, options, report);
}

const CaseTable table{
    {"a2a-4r-8B", run<4, 8>},
    {"a2a-4r-7KiB", run<4, 7 << 10>},
    {"a2a-4r-28KiB", run<4, 28 << 10>},
    {"a2a-4r-112KiB", run<4, 112 << 10, Sending::kFreeOnReturn>},
    {"a2a-4r-448KiB", run<4, 448 << 10>},
    {"a2a-8r-8B", run<8, 8>},
    {"a2a-8r-7KiB", run<8, 7 << 10>},
    {"a2a-8r-28KiB", run<8, 28 << 10, Sending::kFreeOnReturn>},
    {"a2a-8r-112KiB", run<8, 112 << 10>},
    {"a2a-8r-448KiB", run<8, 448 << 10>},
};

}  // namespace

}  // namespace switchyard::xccl::bench
