// Random pods under random deaths: any shape, mode and pace; ranks are killed at any moment of a step, some come again at once and some
// after a step without them. Every answer is compared with a plain reference.
#include "xccl/pod_kill_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

void run_random_pod(Random& random, uint32_t num_kills) {
  const ExchangeMode mode = random.below(2) == 0 ? ExchangeMode::kDirect : ExchangeMode::kTrampoline;
  const ExchangePace pace = random.below(2) == 0 ? ExchangePace::kBarrier : ExchangePace::kDataflow;
  const PodShape shape = random_shape(random, mode, pace, 1);
  ForkedPod pod(shape, random.next());
  REQUIRE(pod.await_linked());
  for (uint32_t i = 0; i < num_kills; ++i) {
    const PodKill kill = random_kill(random, shape);
    const char* fault = run_kill(pod, kill);
    if (fault) std::printf("kill of rank %u %s: %s\n", kill.victim, kKillMomentNames[size_t(kill.moment)], fault);
    REQUIRE(fault == nullptr);
  }
  CHECK(pod.end());
}

TEST(xccl_pod_random_deaths) {
  Random random(test::seed());
  for (int i = 0; i < 2; ++i) run_random_pod(random, 2);
}

}  // namespace
