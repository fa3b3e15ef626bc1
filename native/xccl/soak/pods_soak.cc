#include "xccl/soak/pods.h"

#include <unistd.h>

#include <array>
#include <vector>

#include "xccl/census_support.h"
#include "xccl/pod_kill_support.h"
#include "xccl/soak/interrupt.h"

namespace switchyard::xccl::soak {
namespace {

using namespace testing;

constexpr uint32_t kNumExpertsMin = 2;
constexpr uint32_t kKillsPerRoundMax = 3;

struct PodKind {
  const char* name;
  ExchangeMode mode;
  ExchangePace pace;
};
constexpr PodKind kPodKinds[] = {
    {"direct dataflow", ExchangeMode::kDirect, ExchangePace::kDataflow},
    {"trampoline dataflow", ExchangeMode::kTrampoline, ExchangePace::kDataflow},
    {"direct barrier", ExchangeMode::kDirect, ExchangePace::kBarrier},
    {"trampoline barrier", ExchangeMode::kTrampoline, ExchangePace::kBarrier},
};

bool must_stop() { return interrupting_signal() != 0; }

bool holds_more(const Census& now, const Census& before) {
  return now.num_descriptors.load() > before.num_descriptors.load() ||
         now.num_threads.load() > before.num_threads.load() || now.num_mappings.load() > before.num_mappings.load();
}

std::string text_of(const Census& census) {
  return std::to_string(census.num_descriptors.load()) + " descriptors, " + std::to_string(census.num_threads.load()) +
         " threads, " + std::to_string(census.num_mappings.load()) + " mappings of segments";
}

/// The life of one pod.
class PodRound {
 public:
  PodRound(const PodShape& shape, Random& random)
      : shape_(shape), random_(random), pod_(shape, random.next(), must_stop) {}

  /// Empty when all went well; adds to `row` either way.
  std::string run(uint32_t num_kills, PodRow* row) {
    row->num_rounds += 1;
    std::string fault = live(num_kills, row);
    row->num_checked += pod_.tally().num_succeeded;
    row->num_refused += pod_.tally().num_refused;
    row->slowest_refusal_ns = std::max(row->slowest_refusal_ns, pod_.tally().slowest_refusal_ns);
    return fault;
  }

 private:
  std::string live(uint32_t num_kills, PodRow* row) {
    if (!pod_.await_linked()) return "its ranks do not link";
    if (!pod_.run_step(pod_.able_mask(), kNumMicroBatches)) return "its first step fails";
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) take_census(pod_.pid_of(rank), &before_[rank]);
    for (uint32_t i = 0; i < num_kills; ++i) {
      const PodKill kill = random_kill(random_, shape_);
      row->num_kills += 1;
      killed_mask_ |= uint64_t{1} << kill.victim;
      const char* fault = run_kill(pod_, kill);
      if (fault) return text_of(kill) + ": " + fault;
    }
    const std::string leak = find_leak();
    if (!leak.empty()) return leak;
    return pod_.end() ? "" : "a rank does not end, ends badly or leaves its socket";
  }

  static std::string text_of(const PodKill& kill) {
    return "kill of rank " + std::to_string(kill.victim) + " " + kKillMomentNames[static_cast<size_t>(kill.moment)] +
           ", " + std::to_string(kill.num_in_flight) + " events" +
           (kill.is_successor_rushed ? ", successor at once" : "");
  }

  /// Of ranks that have outlived all of the victims. What a death leaves to do may take a moment.
  std::string find_leak() {
    for (uint32_t rank = 0; rank < shape_.num_ranks(); ++rank) {
      if (has_rank(killed_mask_, rank)) continue;
      Census now;
      const bool is_same = pod_.await([&] {
        take_census(pod_.pid_of(rank), &now);
        return !holds_more(now, before_[rank]);
      });
      if (!is_same)
        return "rank " + std::to_string(rank) + " holds " + soak::text_of(now) + " after the kills and held " +
               soak::text_of(before_[rank]) + " before";
    }
    return "";
  }

  const PodShape shape_;
  Random& random_;
  ForkedPod pod_;
  uint64_t killed_mask_ = 0;
  std::array<Census, kPodRanksMax> before_{};
};

std::string text_of(const PodKind& kind, const PodShape& shape) {
  return std::string(kind.name) + " with " + std::to_string(shape.num_attention) + " attention and " +
         std::to_string(shape.num_experts) + " expert ranks";
}

bool run_rounds(Board& board, uint64_t seed, uint32_t num_kills, std::vector<PodRow>* rows) {
  Random random(seed);
  for (uint32_t round = 0, num_left = num_kills; num_left > 0; ++round) {
    const size_t at = round % std::size(kPodKinds);
    const PodShape shape = random_shape(random, kPodKinds[at].mode, kPodKinds[at].pace, kNumExpertsMin);
    const uint32_t num_now = std::min(num_left, 1 + random.below(kKillsPerRoundMax));
    num_left -= num_now;
    const std::string fault = PodRound(shape, random).run(num_now, &(*rows)[at]);
    if (must_stop()) return false;
    if (fault.empty()) continue;
    board_fail(board, "pod " + std::to_string(round) + ", " + text_of(kPodKinds[at], shape) + ": " + fault);
    return false;
  }
  return true;
}

}  // namespace

bool run_pods(Board& board, uint64_t seed, uint32_t num_kills, std::vector<PodRow>* rows) {
  for (const PodKind& kind : kPodKinds) rows->push_back({kind.name});
  Census before;
  Census after;
  take_census(getpid(), &before);
  if (!run_rounds(board, seed, num_kills, rows)) return false;
  take_census(getpid(), &after);
  if (!holds_more(after, before)) return true;
  board_fail(board, "pods leave " + text_of(after) + " to their owner, which had " + text_of(before));
  return false;
}

}  // namespace switchyard::xccl::soak
