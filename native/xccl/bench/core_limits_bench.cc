// What two cores can do at best, beside the all-to-all: `limit-copies-*` copies the bytes that its ranks copy, in the order in which they
// copy them, with no rank, message or switch between; `limit-issue` shows whether a core is whole. On a virtual machine a core may be
// one of two threads of a real one, whose other thread works for somebody else: then all that follows takes 1.4 to 1.5 times as long.
#include <cstring>
#include <vector>

#include "base/plain_copy.h"
#include "xccl/bench/harness.h"

namespace switchyard::xccl::bench {

namespace {

constexpr uint32_t kNumCores = 2;

/// One core's share of an all-to-all of num_ranks ranks, every second of them its own.
class Copies {
 public:
  Copies(Rank& core, uint32_t num_ranks, uint64_t part_bytes)
      : num_ranks_(num_ranks), part_bytes_(part_bytes), core_(core.rank()), sent_(core.shared().data()) {
    for (uint32_t i = 0; i < num_ranks / kNumCores; ++i) {
      received_.emplace_back(num_ranks * part_bytes);
      std::memset(sent_ + (core_ + i * kNumCores) * num_ranks * part_bytes, 1, num_ranks * part_bytes);
    }
  }

  /// Whoever copied last in one call copies first in the next, while the cache has its bytes.
  void run(uint64_t call) {
    const auto num_own = static_cast<uint32_t>(received_.size());
    const auto first = static_cast<uint32_t>((num_own - call % num_own) % num_own);
    for (uint32_t turn = 0; turn < num_own; ++turn) take_all((first + turn) % num_own);
  }

 private:
  void take_all(uint32_t own) {
    const uint32_t rank = core_ + own * kNumCores;
    for (uint32_t i = 0; i < num_ranks_; ++i) {
      const uint32_t from = (rank + i) % num_ranks_;
      plain_copy(received_[own].data() + from * part_bytes_, sent_ + (from * num_ranks_ + rank) * part_bytes_,
                 part_bytes_);
    }
    keep(*received_[own].data());
  }

  uint32_t num_ranks_;
  uint64_t part_bytes_;
  uint32_t core_;
  std::byte* sent_;                   // [num_ranks][num_ranks][part_bytes]
  std::vector<PageBuffer> received_;  // a rank of this core: [num_ranks][part_bytes]
};

/// Both cores copy all the time and wait for each other where a sample begins only.
template <uint32_t num_ranks, uint64_t part_bytes>
Status run_copies(const Options& options, Report* report) {
  const uint64_t shared_bytes = uint64_t{num_ranks} * num_ranks * part_bytes;
  return run_group({.num_ranks = kNumCores, .shared_bytes = shared_bytes}, options, report, [](Rank& core) {
    Copies copies(core, num_ranks, part_bytes);
    uint64_t call = 0;
    return core.measure({.sample_ns_min = 2'000'000}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations; ++i) copies.run(call++);
      return {};
    });
  });
}

/// An iteration is 1000 steps of six additions that do not wait for each other: time that other work on the same core takes away shows.
Status run_issue(const Options& options, Report* report) {
  return run_group({.num_ranks = kNumCores}, options, report, [](Rank& core) {
    uint64_t sums[6] = {};
    return core.measure({.sample_ns_min = 100'000}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < 1000 * batch.num_iterations; ++i) {
        for (uint64_t& sum : sums) {
          sum += i;
          asm volatile("" : "+r"(sum));  // one addition each: no vectors, no closed form
        }
      }
      keep(sums);
      return {};
    });
  });
}

const CaseTable table{
    {"limit-copies-4r-28KiB", run_copies<4, 28 << 10>},
    {"limit-copies-4r-112KiB", run_copies<4, 112 << 10>},
    {"limit-copies-4r-448KiB", run_copies<4, 448 << 10>},
    {"limit-copies-8r-28KiB", run_copies<8, 28 << 10>},
    {"limit-copies-8r-112KiB", run_copies<8, 112 << 10>},
    {"limit-copies-8r-448KiB", run_copies<8, 448 << 10>},
    {"limit-issue", run_issue},
};

}  // namespace

}  // namespace switchyard::xccl::bench
