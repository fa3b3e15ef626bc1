// Whole exchanges by plan: direct and trampoline, dataflow and barrier, unequal groups, ranks that are both halves; what plans are
// refused. Every answer is compared with a plain reference, so direct and trampoline give the same bits.
#include "xccl/plan_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

/// Steps of two micro-batches, the second sent while the first is out, each awaited when its turn comes.
void run_attention(Pod& pod, uint32_t rank, uint32_t num_steps, uint64_t seed) {
  Random random(seed);
  AttentionEndpoint& endpoint = *pod.at(rank).attention();
  RandomBatch batches[kNumMicroBatches];
  for (uint64_t step = 1; step <= num_steps; ++step) {
    for (uint8_t m = 0; m < kNumMicroBatches; ++m) {
      if (step > 1) {
        const EventId before = batches[m].batch.event;
        REQUIRE(is_code(endpoint.wait_all(before, deadline_in(10s)), Code::kOk));
        REQUIRE(endpoint.is_ready(before) && is_answered(endpoint, pod.shape(), batches[m]));
      }
      fill_batch(random, pod.shape(), {step, static_cast<uint16_t>(step % 5), m}, &batches[m]);
      REQUIRE(is_code(endpoint.send_all(batches[m].batch, deadline_in(10s)), Code::kOk));
    }
  }
  for (const RandomBatch& batch : batches) {
    REQUIRE(is_code(endpoint.wait_all(batch.batch.event, deadline_in(10s)), Code::kOk));
    REQUIRE(is_answered(endpoint, pod.shape(), batch));
  }
}

void run_pod(const PodShape& shape, uint32_t num_steps, uint64_t seed) {
  Pod pod(shape);
  std::vector<std::thread> threads;
  for (uint32_t e = 0; e < shape.num_experts; ++e)
    threads.emplace_back([&, e] { serve_experts(pod.at(shape.first_expert() + e)); });
  std::vector<std::thread> attention;
  for (uint32_t a = 0; a < shape.num_attention; ++a)
    attention.emplace_back([&, a] { run_attention(pod, a, num_steps, seed + a); });
  for (std::thread& thread : attention) thread.join();
  pod.close();
  for (std::thread& thread : threads) thread.join();
}

constexpr auto kDirect = ExchangeMode::kDirect;
constexpr auto kTrampoline = ExchangeMode::kTrampoline;
constexpr auto kDataflow = ExchangePace::kDataflow;
constexpr auto kBarrier = ExchangePace::kBarrier;

TEST(xccl_plan_direct_two_to_three) { run_pod({2, 3, false, kDirect, kDataflow}, 100, test::seed()); }

TEST(xccl_plan_trampoline_three_to_five) { run_pod({3, 5, false, kTrampoline, kDataflow}, 60, test::seed()); }

TEST(xccl_plan_trampoline_of_ranks_that_are_both) { run_pod({3, 3, true, kTrampoline, kDataflow}, 100, test::seed()); }

TEST(xccl_plan_trampoline_with_itself) { run_pod({1, 1, true, kTrampoline, kDataflow}, 300, test::seed()); }

TEST(xccl_plan_barrier_direct) { run_pod({3, 2, false, kDirect, kBarrier}, 60, test::seed()); }

TEST(xccl_plan_barrier_trampoline) { run_pod({2, 3, false, kTrampoline, kBarrier}, 60, test::seed()); }

TEST(xccl_plan_random_pods) {
  Random random(test::seed());
  for (int i = 0; i < 3; ++i) {
    PodShape shape;
    shape.mode = random.below(2) == 0 ? kDirect : kTrampoline;
    shape.pace = random.below(3) == 0 ? kBarrier : kDataflow;
    shape.is_shared = random.below(3) == 0;
    shape.num_attention = 1 + random.below(4);
    shape.num_experts = shape.is_shared ? shape.num_attention : shape.num_attention + random.below(4);
    run_pod(shape, 15, random.next());
  }
}

}  // namespace
