// Every form of the sampler's work on logits against its reference.
#include "kernels/sampling/logit_kernels.h"

#include <bit>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

constexpr int kSizes[] = {1, 7, 15, 16, 17, 127, 128, 129, 144, 1000, 4097};

/// Some of them equal, zeros of either sign among them.
std::vector<float> some_logits(std::mt19937_64& random, int size) {
  std::normal_distribution<float> normal(-1.0f, 4.0f);
  std::vector<float> logits(size);
  for (float& logit : logits) logit = random() % 3 == 0 ? (random() % 2 ? 0.0f : -0.0f) : normal(random);
  return logits;
}

std::vector<SamplingCandidate> selected(const LogitKernels& kernels, const std::vector<float>& logits, float least,
                                        float temperature) {
  std::vector<SamplingCandidate> candidates(logits.size());
  candidates.resize(
      kernels.select({logits.data(), static_cast<int>(logits.size()), least, temperature, candidates.data()}));
  return candidates;
}

}  // namespace

TEST(logit_peak_is_that_of_the_reference) {
  std::mt19937_64 random(test::seed());
  for (const int size : kSizes) {
    const std::vector<float> logits = some_logits(random, size);
    std::vector<float> expected_maxima(num_logit_blocks(size)), maxima(num_logit_blocks(size));
    const LogitPeak expected = kLogitKernelsRef.find_peak(logits.data(), size, expected_maxima.data());
    for (const Isa isa : available_isas()) {
      const LogitPeak peak = kernels_of(isa).logits->find_peak(logits.data(), size, maxima.data());
      CHECK(peak.is_finite && expected.is_finite && peak.largest == expected.largest && maxima == expected_maxima);
    }
  }
}

TEST(logit_peak_sees_what_is_not_finite_wherever_it_stands) {
  std::mt19937_64 random(test::seed());
  for (const int size : {1, 16, 17, 130, 300}) {
    const std::vector<float> logits = some_logits(random, size);
    std::vector<float> maxima(num_logit_blocks(size));
    for (int at = 0; at < size; ++at) {
      for (const float odd : {NAN, INFINITY, -INFINITY}) {
        std::vector<float> broken = logits;
        broken[at] = odd;
        for (const Isa isa : available_isas())
          CHECK(!kernels_of(isa).logits->find_peak(broken.data(), size, maxima.data()).is_finite);
      }
    }
  }
}

TEST(logits_are_selected_as_by_the_reference) {
  std::mt19937_64 random(test::seed());
  for (const int size : kSizes) {
    const std::vector<float> logits = some_logits(random, size);
    for (const float least : {-100.0f, 0.0f, logits[random() % size], 3.0f, 100.0f}) {
      const auto expected = selected(kLogitKernelsRef, logits, least, 0.7f);
      for (const Isa isa : available_isas()) {
        const auto candidates = selected(*kernels_of(isa).logits, logits, least, 0.7f);
        CHECK(candidates.size() == expected.size() &&
              std::memcmp(candidates.data(), expected.data(), candidates.size() * sizeof(SamplingCandidate)) == 0);
      }
    }
  }
}

TEST(weights_and_noise_of_candidates_have_the_bits_of_their_references) {
  std::mt19937_64 random(test::seed());
  for (const int size : kSizes) {
    const std::vector<float> logits = some_logits(random, size);
    const float best = 20.0f + static_cast<float>(random() % 80);
    std::vector<float> expected = logits;
    kLogitKernelsRef.exp_below(expected.data(), size, best);
    const double expected_total = kLogitKernelsRef.total_weight(logits.data(), size, 0.7f, best);
    const NoiseKey key{random(), random()};
    const int room = (size + kNoiseStep - 1) / kNoiseStep * kNoiseStep;
    std::vector<int32_t> ids(room);
    for (int32_t& id : ids) id = static_cast<int32_t>(random() >> 33);
    std::vector<uint32_t> expected_words(room), words(room);
    kLogitKernelsRef.noise_words(key, ids.data(), size, expected_words.data());
    for (const Isa isa : available_isas()) {
      std::vector<float> weights = logits;
      kernels_of(isa).logits->exp_below(weights.data(), size, best);
      CHECK(std::memcmp(weights.data(), expected.data(), size * sizeof(float)) == 0);
      const double total = kernels_of(isa).logits->total_weight(logits.data(), size, 0.7f, best);
      CHECK(std::fabs(total - expected_total) <= 1e-11 * expected_total);
      kernels_of(isa).logits->noise_words(key, ids.data(), size, words.data());
      CHECK(std::memcmp(words.data(), expected_words.data(), size * sizeof(uint32_t)) == 0);
    }
  }
}
