// What the loop cases are compared with: the same work without a split. Two workers, one a core, each do half of every layer and
// meet at a spinning barrier after it, as a colocated executor's threads do.
#include <atomic>

#include "xccl/bench/harness.h"
#include "xccl/bench/loop_work.h"

namespace switchyard::xccl::bench {

namespace {

constexpr uint32_t kNumWorkers = 2;
constexpr double kShare = 1.0 / kNumWorkers;

/// Counts up for ever: layer number n is done by all when it has reached n * kNumWorkers.
struct LayerCount {
  alignas(128) std::atomic<uint64_t> num_arrived;
};

class Worker {
 public:
  Worker(const LoopWork& work, Rank& rank)
      : work_(work), rank_(rank), count_(*reinterpret_cast<LayerCount*>(rank.shared().data())) {}

  Status run_step() {
    for (uint32_t layer = 0; layer < kLoopNumDenseLayers; ++layer) {
      work_.dense(kShare);
      SWITCHYARD_RETURN_IF_ERROR(end_layer());
    }
    for (uint32_t layer = 0; layer < kLoopNumMoeLayers; ++layer) {
      work_.attention(kShare);
      work_.expert(kShare);
      SWITCHYARD_RETURN_IF_ERROR(end_layer());
    }
    return {};
  }

 private:
  Status end_layer() {
    ++num_layers_;
    count_.num_arrived.fetch_add(1, std::memory_order_acq_rel);
    for (uint64_t num_looks = 1; count_.num_arrived.load(std::memory_order_acquire) < num_layers_ * kNumWorkers;
         ++num_looks) {
      spin_pause();
      if (num_looks % 1'000'000 == 0 && std::chrono::steady_clock::now() >= rank_.deadline()) {
        return {Code::kTimeout, "the other worker did not come to the end of the layer"};
      }
    }
    return {};
  }

  const LoopWork& work_;
  Rank& rank_;
  LayerCount& count_;
  uint64_t num_layers_ = 0;
};

Status run_colocated(const Options& options, Report* report) {
  const LoopWork work;
  const GroupSpec spec{.num_ranks = kNumWorkers, .shared_bytes = sizeof(LayerCount)};
  return run_group(spec, options, report, [&work](Rank& rank) -> Status {
    Worker worker(work, rank);
    return rank.measure({.sample_ns_min = 0, .is_rate = true}, [&](Batch& batch) -> Status {
      for (uint64_t i = 0; i < batch.num_iterations; ++i) SWITCHYARD_RETURN_IF_ERROR(worker.run_step());
      return {};
    });
  });
}

const CaseTable table{{"loop-colocated-b8", run_colocated}};

}  // namespace

}  // namespace switchyard::xccl::bench
