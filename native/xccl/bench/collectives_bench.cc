// The collectives: the counterparts of MPI_Barrier, MPI_Bcast and MPI_Allreduce. What a rank contributes lies in its app area
// (zero copy), or in private memory in the cases that say `copied`; what it receives lies in private memory.
#include <algorithm>
#include <cstring>

#include "xccl/bench/group_support.h"

namespace switchyard::xccl::bench {

namespace {

enum class From : uint8_t { kApp, kPrivate };

/// Bytes that a rank contributes, and room for what it receives.
struct Buffers {
  std::vector<std::byte> private_bytes;
  std::vector<std::byte> room;
  std::span<std::byte> mine;

  Buffers(Rank& rank, uint64_t num_bytes, From from) : private_bytes(num_bytes), room(num_bytes) {
    mine = from == From::kApp ? rank.communicator().app().first(num_bytes) : std::span(private_bytes);
  }
};

using Call = std::function<Status(Group& group, Rank& rank, uint32_t event)>;

GroupSpec spec_of(uint32_t num_ranks, uint64_t num_bytes) {
  GroupSpec spec;
  spec.num_ranks = num_ranks;
  spec.configure = [=](CommunicatorConfig& config) {
    config.app_bytes = num_bytes;
    config.group = {1, 0, 256 << 10};
  };
  return spec;
}

Status measure_calls(Rank& rank, const Call& call) {
  std::shared_ptr<Group> group;
  SWITCHYARD_RETURN_IF_ERROR(open_group_of_all(rank, &group));
  uint32_t event = 0;
  return rank.measure({.sample_ns_min = 2'000'000}, [&](Batch& batch) -> Status {
    for (uint64_t i = 0; i < batch.num_iterations; ++i) SWITCHYARD_RETURN_IF_ERROR(call(*group, rank, ++event));
    return {};
  });
}

template <uint32_t num_ranks>
Status run_barrier(const Options& options, Report* report) {
  return run_group(spec_of(num_ranks, 0), options, report, [](Rank& rank) {
    return measure_calls(
        rank, [](Group& group, Rank& caller, uint32_t event) { return group.barrier(event, caller.deadline()); });
  });
}

template <uint32_t num_ranks, uint64_t num_bytes, From from>
Status run_broadcast(const Options& options, Report* report) {
  return run_group(spec_of(num_ranks, num_bytes), options, report, [](Rank& rank) -> Status {
    Buffers buffers(rank, num_bytes, from);
    const bool is_root = rank.rank() == 0;
    if (is_root) std::ranges::fill(buffers.mine, std::byte{77});
    const std::span<std::byte> bytes = is_root ? buffers.mine : std::span(buffers.room);
    SWITCHYARD_RETURN_IF_ERROR(measure_calls(rank, [&](Group& group, Rank& caller, uint32_t event) {
      return group.broadcast({event, 0, bytes, from == From::kApp}, caller.deadline());
    }));
    const bool is_right = std::ranges::all_of(bytes, [](std::byte value) { return value == std::byte{77}; });
    return is_right ? Status() : Status(Code::kInternal, "wrong bytes arrived");
  });
}

template <uint32_t num_ranks, uint64_t num_bytes, From from>
Status run_all_reduce(const Options& options, Report* report) {
  return run_group(spec_of(num_ranks, num_bytes), options, report, [](Rank& rank) -> Status {
    Buffers buffers(rank, num_bytes, from);
    const std::span<float> in(reinterpret_cast<float*>(buffers.mine.data()), num_bytes / sizeof(float));
    std::ranges::fill(in, static_cast<float>(rank.rank() + 1));
    SWITCHYARD_RETURN_IF_ERROR(measure_calls(rank, [&](Group& group, Rank& caller, uint32_t event) {
      return group.all_reduce({event, ElementType::kFloat32, buffers.mine, buffers.room, from == From::kApp},
                              caller.deadline());
    }));
    const std::span<const float> out(reinterpret_cast<float*>(buffers.room.data()), in.size());
    constexpr float kSum = num_ranks * (num_ranks + 1) / 2;
    const bool is_right = std::ranges::all_of(out, [](float value) { return value == kSum; });
    return is_right ? Status() : Status(Code::kInternal, "wrong sums");
  });
}

constexpr uint64_t kKiB = 1 << 10;
constexpr uint64_t kMiB = 1 << 20;

const CaseTable table{
    {"barrier-4r", run_barrier<4>},
    {"barrier-8r", run_barrier<8>},
    {"broadcast-8r-9MiB", run_broadcast<8, 9 * kMiB, From::kApp>},
    {"broadcast-8r-9MiB-copied", run_broadcast<8, 9 * kMiB, From::kPrivate>},
    {"allreduce-4r-8KiB", run_all_reduce<4, 8 * kKiB, From::kApp>},
    {"allreduce-4r-1MiB", run_all_reduce<4, kMiB, From::kApp>},
    {"allreduce-4r-1MiB-copied", run_all_reduce<4, kMiB, From::kPrivate>},
};

}  // namespace

}  // namespace switchyard::xccl::bench
