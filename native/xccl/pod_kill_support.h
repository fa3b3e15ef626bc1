// Deaths in a pod of processes, drawn at random: one rank is killed at some moment of a step, its survivors' outcomes are judged,
// its successor joins and all go on. For the random test and the soak.
#pragma once

#include <algorithm>

#include "xccl/pod_process_support.h"

namespace switchyard::xccl::testing {

/// 1 to 4 attention ranks and up to 6 expert ranks, enough for every attention rank's forwarder.
inline PodShape random_shape(Random& random, ExchangeMode mode, ExchangePace pace, uint32_t num_experts_min) {
  PodShape shape;
  shape.mode = mode;
  shape.pace = pace;
  shape.num_attention = 1 + random.below(4);
  if (mode == ExchangeMode::kTrampoline) num_experts_min = std::max(num_experts_min, shape.num_attention);
  shape.num_experts = num_experts_min + random.below(7 - num_experts_min);
  return shape;
}

enum class KillMoment : uint8_t {
  kBefore,    // shortly before a step that counts on the victim
  kHolding,   // the victim, or whom it has sent to, holds what has arrived
  kInFlight,  // whatever is under way
};
inline constexpr const char* kKillMomentNames[] = {"before the step", "while it is held", "in flight"};

struct PodKill {
  uint32_t victim = 0;
  KillMoment moment = KillMoment::kBefore;
  uint32_t num_in_flight = 1;
  std::chrono::microseconds delay{0};  // between order and kill
  bool is_successor_rushed = false;    // it starts while the step may still be under way
  bool is_missed = false;              // a step runs without it before its successor starts
};

inline PodKill random_kill(Random& random, const PodShape& shape) {
  PodKill kill;
  kill.victim = random.below(shape.num_ranks());
  kill.moment = static_cast<KillMoment>(random.below(std::size(kKillMomentNames)));
  kill.num_in_flight = 1 + random.below(kNumMicroBatches);
  kill.delay = std::chrono::microseconds(random.below(1000));
  // A successor has no part in the step. Who comes to a barrier once it is linked would wait, for it or at it, until the gate gives up.
  kill.is_successor_rushed =
      random.below(2) == 0 && kill.moment != KillMoment::kBefore && shape.pace != ExchangePace::kBarrier;
  kill.is_missed = random.below(2) == 0;
  return kill;
}

/// Orders a step and kills the victim. False when nobody comes to hold anything.
inline bool kill_in_step(ForkedPod& pod, const PodKill& kill) {
  const uint64_t able_mask = pod.able_mask();
  if (kill.moment == KillMoment::kBefore) {
    pod.kill(kill.victim);
    std::this_thread::sleep_for(kill.delay);
    pod.order(able_mask, kill.num_in_flight);
    return true;
  }
  const bool must_hold = kill.moment == KillMoment::kHolding;
  const bool is_holder = pod.shape().is_expert(kill.victim);
  if (must_hold) pod.board().hold_mask.store(is_holder ? uint64_t{1} << kill.victim : pod.shape().expert_mask());
  pod.order(able_mask, kill.num_in_flight);
  const bool is_held = !must_hold || pod.await_held();
  std::this_thread::sleep_for(kill.delay);
  // Others go on with the signal, not with the end of the process: on a busy machine that takes longer than anybody's patience.
  if (!is_holder) pod.board().hold_mask.store(0);
  pod.kill(kill.victim);
  pod.board().hold_mask.store(0);
  return is_held;
}

/// One death and what follows, until all have run a step with the successor. Null, or what went wrong.
inline const char* run_kill(ForkedPod& pod, const PodKill& kill) {
  if (!kill_in_step(pod, kill)) return "no expert rank takes what it is to hold";
  if (kill.is_successor_rushed) pod.restart(kill.victim);
  if (!pod.await_done()) return "a survivor hangs";
  if (!pod.judge(kill.victim)) return "a survivor's outcome is wrong";
  if (!kill.is_successor_rushed) {
    if (kill.is_missed && !pod.run_step(pod.able_mask(), kill.num_in_flight))
      return "the step without the victim fails";
    pod.restart(kill.victim);
  }
  if (!pod.await_linked()) return "the successor is not linked with all";
  return pod.run_step(pod.able_mask(), kNumMicroBatches) ? nullptr : "the step with the successor fails";
}

}  // namespace switchyard::xccl::testing
