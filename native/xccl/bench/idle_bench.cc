// What a rank costs while it waits for a message that does not come: CPU time of its whole process, broker and watchers included, in us a
// second.
#include <ctime>
#include <thread>

#include "xccl/bench/harness.h"
#include "xccl/messenger.h"

namespace switchyard::xccl::bench {

namespace {

constexpr std::chrono::milliseconds kIdle{250};
constexpr uint32_t kNumRanks = 4;
constexpr uint32_t kSender = 1;

uint64_t process_cpu_ns() {
  timespec spent;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &spent);
  return static_cast<uint64_t>(spent.tv_sec) * 1'000'000'000 + static_cast<uint64_t>(spent.tv_nsec);
}

Status run_idle(const Options& options, Report* report) {
  GroupSpec spec;
  spec.num_ranks = kNumRanks;
  spec.configure = [](CommunicatorConfig& config) { config.ring = {16, 4096}; };
  return run_group(spec, options, report, [](Rank& rank) -> Status {
    Messenger& messenger = *rank.communicator().messenger();
    std::byte word[8]{};
    const auto end_the_others = [&]() -> Status {
      std::this_thread::sleep_for(kIdle);
      for (uint32_t peer = 0; peer < kNumRanks; ++peer) {
        if (peer != kSender) SWITCHYARD_RETURN_IF_ERROR(messenger.send(peer, 1, word, rank.deadline()));
      }
      return {};
    };
    constexpr double kIdleInASecond = std::chrono::seconds(1) / kIdle;
    return rank.measure({.scale = kIdleInASecond, .sample_ns_min = 1}, [&](Batch& batch) -> Status {
      const uint64_t before = process_cpu_ns();
      for (uint64_t i = 0; i < batch.num_iterations; ++i) {
        SWITCHYARD_RETURN_IF_ERROR(rank.rank() == kSender ? end_the_others()
                                                          : messenger.recv(kSender, 1, word, nullptr, rank.deadline()));
      }
      batch.own_ns = process_cpu_ns() - before;
      return {};
    });
  });
}

const CaseTable table{{"idle-4r", run_idle}};

}  // namespace

}  // namespace switchyard::xccl::bench
