// The sampler's filters, its distribution and its statelessness.
#include "kernels/sampling/sampling.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <vector>

#include "base/math.h"
#include "base/philox.h"
#include "test/test.h"

using namespace switchyard;

namespace {

int32_t token_at(const std::vector<float>& logits, const SamplingParams& params, int64_t position) {
  Sampler sampler;
  SampledToken token;
  CHECK(sampler.sample(logits.data(), static_cast<int>(logits.size()), params, position, &token).ok());
  return token.token_id;
}

std::vector<int> histogram(const std::vector<float>& logits, const SamplingParams& params, int count) {
  std::vector<int> counts(logits.size());
  for (int position = 0; position < count; ++position) ++counts[token_at(logits, params, position)];
  return counts;
}

}  // namespace

namespace {

/// docs/numerics.md, "Sampling", word for word, for a temperature above 0.
int32_t token_by_the_rules(const std::vector<float>& logits, const SamplingParams& params, int64_t position) {
  std::vector<SamplingCandidate> kept;
  for (size_t i = 0; i < logits.size(); ++i) kept.push_back({logits[i] / params.temperature, static_cast<int32_t>(i)});
  std::sort(kept.begin(), kept.end(), comes_first);
  const float best = kept.front().value;
  const auto weight = [&](const SamplingCandidate& c) { return exp32(c.value - best); };
  if (params.top_k > 0) kept.resize(std::min<size_t>(params.top_k, kept.size()));
  if (params.top_p < 1.0f) {
    double total = 0.0, sum = 0.0;
    for (const SamplingCandidate& c : kept) total += weight(c);
    size_t count = 0;
    while (count < kept.size() && (count == 0 || sum < static_cast<double>(params.top_p) * total))
      sum += weight(kept[count++]);
    kept.resize(count);
  }
  std::erase_if(kept, [&](const SamplingCandidate& c) { return weight(c) < params.min_p; });
  int32_t token = -1;
  double most = -INFINITY;
  for (const SamplingCandidate& c : kept) {
    const auto low = [](uint64_t x) { return static_cast<uint32_t>(x); };
    const auto words = philox4x32({low(c.id), low(position), low(static_cast<uint64_t>(position) >> 32), 0},
                                  {low(params.seed), low(params.seed >> 32)});
    const double score =
        static_cast<double>(c.value) - log64(-log64((static_cast<double>(words[0]) + 0.5) / 4294967296.0));
    if (score > most || (score == most && c.id < token)) token = c.id;
    most = std::max(most, score);
  }
  return token;
}

/// Filters that are on or off, and keep little or much.
SamplingParams some_params(std::mt19937_64& random) {
  const float temperatures[] = {1e-4f, 0.05f, 0.6f, 1.0f, 1.7f, 100.0f};
  const float top_ps[] = {1.0f, 1.0f, 1e-6f, 0.5f, 0.9f, 0.99999994f};
  const float min_ps[] = {0.0f, 0.0f, 1e-30f, 0.001f, 0.05f, 1.0f};
  const int top_ks[] = {0, 0, 1, 3, 40, 5000};
  return {.temperature = temperatures[random() % 6],
          .top_k = top_ks[random() % 6],
          .top_p = top_ps[random() % 6],
          .min_p = min_ps[random() % 6],
          .seed = random()};
}

/// Spread by `scale`; some of them equal.
std::vector<float> random_logits(std::mt19937_64& random, int size, float scale) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = random() % 5 == 0 ? std::round(normal(random)) : normal(random);
  return logits;
}

}  // namespace

TEST(sampling_follows_its_rules_in_every_form) {
  std::mt19937_64 random(test::seed());
  std::vector<Sampler> samplers;
  for (const Isa isa : available_isas()) samplers.emplace_back(kernels_of(isa));
  for (int i = 0; i < 400; ++i) {
    const float scales[] = {0.01f, 3.0f, 30.0f};
    const int sizes[] = {1, 16, 129, 700, 1500, 6000};
    const std::vector<float> logits = random_logits(random, sizes[random() % 6], scales[random() % 3]);
    const SamplingParams params = some_params(random);
    const auto position = static_cast<int64_t>(random() >> 1);
    const int32_t expected = token_by_the_rules(logits, params, position);
    for (Sampler& sampler : samplers) {
      SampledToken token;
      CHECK(sampler.sample(logits.data(), static_cast<int>(logits.size()), params, position, &token).ok());
      CHECK(token.token_id == expected);
    }
  }
}

TEST(sampling_keeps_what_weighs_exactly_min_p) {
  std::mt19937_64 random(test::seed());
  std::uniform_real_distribution<float> below(-6.0f, -0.01f);
  for (int i = 0; i < 200; ++i) {
    std::vector<float> logits(2000, below(random));
    logits[0] = 0.0f;
    const SamplingParams params{.temperature = 1.0f, .min_p = exp32(logits[1]), .seed = random()};
    CHECK(token_at(logits, params, i) == token_by_the_rules(logits, params, i));
  }
}

TEST(sampling_by_top_p_can_draw_what_is_all_but_impossible) {
  std::vector<float> logits(4001, -20.0f);
  logits[0] = 0.0f;
  constexpr int64_t kPosition = 1511205;  // where the noise of token 27 is 21.3
  for (const int top_k : {0, 4000}) {
    const SamplingParams params{.temperature = 1.0f, .top_k = top_k, .top_p = 0.99999994f};
    CHECK(token_by_the_rules(logits, params, kPosition) == 27);
    CHECK(token_at(logits, params, kPosition) == 27);
  }
}

TEST(sampling_reports_the_first_of_equal_alternatives_in_every_form) {
  std::mt19937_64 random(test::seed());
  for (const int size : {1, 5, 20, 21, 500, 5000}) {
    const std::vector<float> logits = random_logits(random, size, 2.0f);
    std::vector<SamplingCandidate> expected;
    for (int32_t id = 0; id < size; ++id) expected.push_back({logits[id], id});
    std::sort(expected.begin(), expected.end(), comes_first);
    for (const Isa isa : available_isas()) {
      Sampler sampler(kernels_of(isa));
      SampledToken token;
      CHECK(sampler.sample(logits.data(), size, {.top_logprobs = kMaxTopLogprobs}, 0, &token).ok());
      REQUIRE(token.top_ids.size() == std::min<size_t>(size, kMaxTopLogprobs));
      for (size_t i = 0; i < token.top_ids.size(); ++i) CHECK(token.top_ids[i] == expected[i].id);
    }
  }
}

TEST(sampling_at_temperature_zero_is_argmax_with_ties_to_the_lower_id) {
  CHECK(token_at({1.0f, 3.0f, 3.0f, 2.0f}, {}, 5) == 1);
}

TEST(sampling_at_temperature_zero_finds_the_first_of_the_largest_wherever_it_stands) {
  std::mt19937_64 random(test::seed());
  for (const int size : {1, 2, 15, 16, 17, 1023, 1024, 1025, 2049, 5000}) {
    std::vector<float> logits(size);
    for (float& logit : logits) logit = -static_cast<float>(1 + random() % 50);
    for (const float most : {-1.0f, 0.0f, 7.0f}) {
      for (int i = 0; i < 3; ++i) logits[random() % size] = i == 1 ? -0.0f + most : most;
      const auto expected = static_cast<int32_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
      CHECK(token_at(logits, {}, 0) == expected);
    }
  }
}

TEST(sampling_draws_the_largest_of_logit_and_noise) {
  std::mt19937_64 random(test::seed());
  std::normal_distribution<float> normal(0.0f, 2.0f);
  std::vector<float> logits(700);
  for (float& logit : logits) logit = normal(random);
  for (int64_t position = 0; position < 300; ++position) {
    int32_t expected = 0;
    double best = -INFINITY;
    for (int32_t id = 0; id < static_cast<int32_t>(logits.size()); ++id) {
      const auto words = philox4x32({static_cast<uint32_t>(id), static_cast<uint32_t>(position), 0, 0}, {9, 0});
      const double u = (static_cast<double>(words[0]) + 0.5) / 4294967296.0;
      const double score = static_cast<double>(logits[id] / 0.8f) - log64(-log64(u));
      if (score > best) expected = id;
      best = std::max(best, score);
    }
    CHECK(token_at(logits, {.temperature = 0.8f, .seed = 9}, position) == expected);
  }
}

TEST(sampling_sorts_candidates_by_descending_value_and_ascending_id) {
  std::mt19937_64 random(test::seed());
  for (const int size : {0, 1, 2, 999, 1000, 1001, 20000}) {
    std::vector<SamplingCandidate> candidates, spare(size);
    for (int32_t id = 0; id < size; ++id) {
      // Any finite number, or one of a few, both zeros among them.
      float value = std::bit_cast<float>(static_cast<uint32_t>(random()));
      if (!std::isfinite(value) || random() % 2 == 0)
        value = std::copysign(float(random() % 3), random() % 2 ? 1.0f : -1.0f);
      candidates.push_back({value, id});
    }
    std::vector<SamplingCandidate> expected = candidates;
    std::sort(expected.begin(), expected.end(), comes_first);
    const auto sorted = sort_candidates(candidates, spare.data());
    CHECK(std::equal(sorted.begin(), sorted.end(), expected.begin(), expected.end(), [](const auto& a, const auto& b) {
      return a.id == b.id && std::bit_cast<uint32_t>(a.value) == std::bit_cast<uint32_t>(b.value);
    }));
  }
}

TEST(sampling_follows_the_softmax) {
  const std::vector<float> logits{std::log(0.5f), std::log(0.3f), std::log(0.2f)};
  const auto counts = histogram(logits, {.temperature = 1.0f, .seed = 11}, 20000);
  CHECK(std::abs(counts[0] - 10000) < 300 && std::abs(counts[1] - 6000) < 300 && std::abs(counts[2] - 4000) < 300);
}

TEST(sampling_filters_keep_what_they_should) {
  const std::vector<float> logits{std::log(0.2f), std::log(0.5f), std::log(0.3f)};
  CHECK(histogram(logits, {.temperature = 1.0f, .top_k = 2, .seed = 1}, 400)[0] == 0);
  CHECK(histogram(logits, {.temperature = 1.0f, .top_p = 0.75f, .seed = 1}, 400)[0] == 0);
  CHECK(histogram(logits, {.temperature = 1.0f, .top_p = 0.85f, .seed = 1}, 400)[0] > 0);
  CHECK(histogram(logits, {.temperature = 1.0f, .min_p = 0.5f, .seed = 1}, 400)[0] == 0);
  CHECK(histogram(logits, {.temperature = 1.0f, .min_p = 0.5f, .seed = 1}, 400)[2] > 0);
  CHECK(histogram(logits, {.temperature = 1.0f, .top_p = 1e-6f, .seed = 1}, 400)[1] == 400);
}

TEST(sampling_without_filters_equals_sampling_with_filters_that_keep_all) {
  std::vector<float> logits(300);
  for (size_t i = 0; i < logits.size(); ++i) logits[i] = std::sin(static_cast<float>(i)) * 6.0f;
  for (int position = 0; position < 200; ++position) {
    CHECK(token_at(logits, {.temperature = 0.7f, .seed = 3}, position) ==
          token_at(logits, {.temperature = 0.7f, .top_k = 300, .seed = 3}, position));
  }
}

TEST(sampling_reports_log_softmax_of_raw_logits) {
  const std::vector<float> logits{1.0f, 2.0f, 3.0f, 2.0f};
  Sampler sampler;
  SampledToken token;
  REQUIRE(sampler.sample(logits.data(), 4, {.temperature = 0.0f, .logprobs = true, .top_logprobs = 3}, 1, &token).ok());
  const double sum = std::exp(-2.0) + 2.0 * std::exp(-1.0) + 1.0;
  CHECK(std::fabs(token.logprob + std::log(sum)) < 1e-6);
  CHECK(token.top_ids == (std::vector<int32_t>{2, 1, 3}));
  CHECK(std::fabs(token.top_logprobs[1] + 1.0 + std::log(sum)) < 1e-6);
}

TEST(sampling_refuses_logits_that_are_not_finite_and_bad_parameters) {
  const std::vector<float> logits{1.0f, NAN};
  Sampler sampler;
  SampledToken token;
  CHECK(sampler.sample(logits.data(), 2, {}, 1, &token).code() == Code::kInternal);
  CHECK(!check_sampling_params({.temperature = -1.0f}).ok());
  CHECK(!check_sampling_params({.temperature = NAN}).ok());
  CHECK(!check_sampling_params({.top_p = 0.0f}).ok());
  CHECK(!check_sampling_params({.top_logprobs = 21}).ok());
  CHECK(check_sampling_params({}).ok());
}
