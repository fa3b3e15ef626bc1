// The router: what it has to choose, and every form against the reference.
#include "kernels/router/router.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "base/math.h"
#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

void choose(const RouterShape& shape, const float* logits, const float* bias, int32_t* ids, float* weights) {
  std::vector<float> scratch(kRouterScratch * shape.num_experts);
  kernels().router({shape, logits, bias, ids, weights, scratch.data()});
}

struct Choice {
  std::vector<int32_t> ids;
  std::vector<float> weights;

  /// A NaN has any payload.
  bool operator==(const Choice& other) const {
    if (ids != other.ids) return false;
    for (size_t i = 0; i < weights.size(); ++i) {
      const float a = weights[i], b = other.weights[i];
      if (std::bit_cast<uint32_t>(a) != std::bit_cast<uint32_t>(b) && !(std::isnan(a) && std::isnan(b))) return false;
    }
    return true;
  }
};

Choice choice_of(void (*router)(const RouterArgs&), const RouterShape& shape, const std::vector<float>& logits,
                 const std::vector<float>& bias) {
  Choice choice{std::vector<int32_t>(shape.top_k), std::vector<float>(shape.top_k)};
  std::vector<float> scratch(kRouterScratch * shape.num_experts);
  router({shape, logits.data(), bias.empty() ? nullptr : bias.data(), choice.ids.data(), choice.weights.data(),
          scratch.data()});
  return choice;
}

/// Numbers of which some are equal, and now and then one that is none.
float some_logit(std::mt19937_64& random, bool is_finite) {
  if (!is_finite && random() % 20 == 0) {
    const float odd[] = {NAN, INFINITY, -INFINITY};
    return odd[random() % 3];
  }
  if (random() % 3 == 0) return std::copysign(static_cast<float>(random() % 3), random() % 2 ? 1.0f : -1.0f);
  return std::normal_distribution<float>(0.0f, 3.0f)(random);
}

RouterShape some_shape(std::mt19937_64& random) {
  const int num_groups = 1 + random() % 8;
  const int num_experts = num_groups * static_cast<int>(1 + random() % 48);
  return {.num_experts = num_experts,
          .num_groups = num_groups,
          .num_top_groups = 1 + static_cast<int>(random() % num_groups),
          .top_k = 1 + static_cast<int>(random() % std::min(num_experts, 12)),
          .scale = random() % 2 ? 1.0f : 2.5f,
          .normalize = random() % 2 == 0,
          .score = random() % 2 ? RouterScore::kSigmoid : RouterScore::kSoftmax,
          .group_score = random() % 2 ? GroupScore::kTwoLargest : GroupScore::kLargest};
}

}  // namespace

TEST(router_takes_the_best_groups_first_and_ties_go_to_the_lower_id) {
  // Two groups of four; group 1 has the best single expert, group 0 the better pair.
  const float logits[8] = {2.0f, 2.0f, -9.0f, -9.0f, 3.0f, -9.0f, -9.0f, -9.0f};
  const float bias[8] = {};
  int32_t ids[2];
  float weights[2];
  choose({8, 2, 1, 2, 2.5f, true}, logits, bias, ids, weights);
  CHECK(ids[0] == 0 && ids[1] == 1);
  CHECK(weights[0] == 1.25f && weights[1] == 1.25f);
  choose({8, 2, 2, 2, 1.0f, false}, logits, bias, ids, weights);
  CHECK(ids[0] == 4 && ids[1] == 0);
  CHECK(weights[0] == sigmoid32(3.0f));
}

TEST(router_stays_in_the_best_groups_though_a_bias_makes_their_choices_negative) {
  const float logits[4] = {0.0f, 0.0f, -9.0f, -9.0f};
  const float bias[4] = {-0.6f, -0.9f, -2.0f, -2.0f};
  int32_t ids[2];
  float weights[2];
  choose({4, 2, 1, 2, 1.0f, false}, logits, bias, ids, weights);
  CHECK(ids[0] == 0 && ids[1] == 1);
}

TEST(router_bias_selects_but_does_not_weigh) {
  const float logits[4] = {1.0f, 0.0f, 0.0f, 0.0f};
  const float bias[4] = {0.0f, 0.0f, 0.9f, 0.0f};
  int32_t ids[1];
  float weights[1];
  choose({4, 1, 1, 1, 1.0f, false}, logits, bias, ids, weights);
  CHECK(ids[0] == 2 && weights[0] == 0.5f);
}

TEST(softmax_router_weighs_by_the_share_of_all_experts_or_of_the_chosen) {
  // Shares 1/8, 1/2, 1/8, 1/4 of four experts.
  const float logits[4] = {0.0f, 1.3862944f, 0.0f, 0.6931472f};
  int32_t ids[2];
  float weights[2];
  RouterShape shape{4, 1, 1, 2, 1.0f, false, RouterScore::kSoftmax, GroupScore::kLargest};
  choose(shape, logits, nullptr, ids, weights);
  CHECK(ids[0] == 1 && ids[1] == 3);
  CHECK(std::fabs(weights[0] - 0.5f) < 1e-6f && std::fabs(weights[1] - 0.25f) < 1e-6f);
  shape.normalize = true;
  choose(shape, logits, nullptr, ids, weights);
  CHECK(std::fabs(weights[0] - 2.0f / 3.0f) < 1e-6f && std::fabs(weights[1] - 1.0f / 3.0f) < 1e-6f);
  // The group of the best expert wins, although the other's two are larger together.
  const float grouped[4] = {2.0f, 2.0f, 3.0f, -9.0f};
  shape = {4, 2, 1, 2, 1.0f, false, RouterScore::kSoftmax, GroupScore::kLargest};
  choose(shape, grouped, nullptr, ids, weights);
  CHECK(ids[0] == 2 && ids[1] == 3);
}

TEST(router_has_the_bits_of_its_reference) {
  std::mt19937_64 random(test::seed());
  for (int i = 0; i < 2000; ++i) {
    const RouterShape shape = some_shape(random);
    const bool is_finite = random() % 4 != 0;
    std::vector<float> logits(shape.num_experts), bias(random() % 2 ? shape.num_experts : 0);
    for (float& logit : logits) logit = some_logit(random, is_finite);
    for (float& each : bias) each = some_logit(random, is_finite) * 0.25f;
    const Choice expected = choice_of(router_ref, shape, logits, bias);
    for (const Isa isa : available_isas()) CHECK(choice_of(kernels_of(isa).router, shape, logits, bias) == expected);
  }
}
