// Random pods under random deaths: any shape, mode and pace; ranks are killed at any moment of a step, some come again at once and some
// after a step without them. Every answer is compared with a plain reference.
#include "xccl/pod_process_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

PodShape random_shape(Random& random) {
  PodShape shape;
  shape.mode = random.below(2) == 0 ? ExchangeMode::kDirect : ExchangeMode::kTrampoline;
  shape.pace = random.below(2) == 0 ? ExchangePace::kBarrier : ExchangePace::kDataflow;
  shape.num_attention = 1 + random.below(4);
  const uint32_t num_experts_min = shape.mode == ExchangeMode::kTrampoline ? shape.num_attention : 1;
  shape.num_experts = num_experts_min + random.below(7 - num_experts_min);
  return shape;
}

void run_random_pod(Random& random, uint32_t num_kills) {
  const PodShape shape = random_shape(random);
  ForkedPod pod(shape, random.next());
  REQUIRE(pod.await_linked());
  for (uint32_t i = 0; i < num_kills; ++i) {
    const uint32_t victim = random.below(shape.num_ranks());
    pod.order(pod.able_mask(), 1 + random.below(kNumMicroBatches));
    std::this_thread::sleep_for(std::chrono::microseconds(random.below(1000)));
    pod.kill(victim);
    if (random.below(2) == 0) {
      REQUIRE(pod.await_done());
      check_outcomes(pod, victim);
      if (random.below(2) == 0) CHECK(pod.run_step(pod.able_mask(), 1));
      pod.restart(victim);
    } else {
      pod.restart(victim);
      REQUIRE(pod.await_done());
      check_outcomes(pod, victim);
    }
    REQUIRE(pod.await_linked());
    CHECK(pod.run_step(pod.able_mask(), 2));
  }
  CHECK(pod.end());
}

TEST(xccl_pod_random_deaths) {
  Random random(test::seed());
  for (int i = 0; i < 2; ++i) run_random_pod(random, 2);
}

}  // namespace
