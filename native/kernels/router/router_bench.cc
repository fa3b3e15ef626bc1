// The choice of experts for a row, as in DeepSeek-V3 (sigmoid, groups, a bias) and in Qwen3 (softmax).
#include "kernels/router/router.h"

#include <cmath>

#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

/// Logits of several rows, so that no branch is learnt by heart.
constexpr int kNumRows = 64;

struct NamedShape {
  std::string name;
  RouterShape shape;
};

KernelBench describe(void (*kernel)(const RouterArgs&), const NamedShape& named) {
  const RouterShape shape = named.shape;
  const double num_experts = shape.num_experts;
  // The score, the choice, a comparison in the group, and one for each expert that is taken.
  const double operations = num_experts * (kExpOperations + 2 + 1 + 1 + shape.top_k);
  const double bytes = num_experts * 2 * sizeof(float) + shape.top_k * 8.0;
  return {
      "router-" + named.name + "-hot", RateUnit::kGflops, {operations, bytes, span_of(bytes * kNumRows, false)}, [=] {
        std::vector<float> logits(size_t(kNumRows) * shape.num_experts);
        for (size_t i = 0; i < logits.size(); ++i) logits[i] = 2.0f * std::sin(static_cast<float>(i * i));
        const auto bias = ordinary_floats(shape.num_experts);
        std::vector<int32_t> ids(shape.top_k);
        std::vector<float> weights(shape.top_k);
        std::vector<float> scratch(size_t(kRouterScratch) * shape.num_experts);
        return looped([=](uint64_t turn) mutable {
          kernel({shape, &logits[turn % kNumRows * shape.num_experts], bias.data(), ids.data(), weights.data(),
                  scratch.data()});
        });
      }};
}

const std::vector<NamedShape> kShapes{
    {"256e-4of8groups-top8", {256, 8, 4, 8, 2.5f, true}},
    {"128e-softmax-top8", {128, 1, 1, 8, 1.0f, true, RouterScore::kSoftmax, GroupScore::kLargest}},
};

const CaseTable table(cases_of_forms(&KernelTable::router, kShapes, describe));

}  // namespace

}  // namespace switchyard::bench
