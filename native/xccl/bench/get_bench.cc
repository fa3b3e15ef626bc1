// get: one rank copies from another's app area, which stands still meanwhile.
#include "xccl/bench/harness.h"

namespace switchyard::xccl::bench {

namespace {

Status run_get(uint64_t num_bytes, const Options& options, Report* report) {
  GroupSpec spec;
  spec.configure = [num_bytes](CommunicatorConfig& config) { config.app_bytes = num_bytes; };
  return run_group(spec, options, report, [num_bytes](Rank& rank) -> Status {
    for (std::byte& value : rank.communicator().app()) value = std::byte{1};
    const PageBuffer destination(num_bytes);
    return rank.measure({.sample_ns_min = 20'000}, [&](Batch& batch) -> Status {
      if (rank.rank() != 0) return {};
      for (uint64_t i = 0; i < batch.num_iterations; ++i) {
        SWITCHYARD_RETURN_IF_ERROR(rank.communicator().get(1, 1, 0, destination.span(), rank.deadline()));
      }
      return {};
    });
  });
}

const CaseTable table{
    {"get-1152KiB", [](const Options& options, Report* report) { return run_get(1152 << 10, options, report); }},
};

}  // namespace

}  // namespace switchyard::xccl::bench
