// The next token of a vocabulary of 151936: the largest logit, top-k, top-p, and all candidates.
#include "kernels/sampling/sampling.h"

#include <cmath>

#include "kernels/bench/kernel_case.h"

namespace switchyard::bench {

namespace {

constexpr int kVocabSize = 151'936;

/// As logits lie: few far above the many.
std::vector<float> some_logits() {
  std::vector<float> logits(kVocabSize);
  for (int i = 0; i < kVocabSize; ++i) {
    const float wave = std::sin(static_cast<float>(i) * 1.37f) + std::sin(static_cast<float>(i) * 0.0731f);
    logits[i] = wave * wave * wave * 1.5f + std::sin(static_cast<float>(i) * 0.9f);
  }
  return logits;
}

struct NamedParams {
  std::string name;
  SamplingParams params;
};

/// What has to be done is to look at each logit once; filters and noise come on top.
KernelBench describe(const KernelTable& kernels, const NamedParams& named) {
  const double bytes = kVocabSize * sizeof(float);
  return {"sampling-" + named.name + "-hot",
          RateUnit::kGbytes,
          {2.0 * kVocabSize, bytes, span_of(bytes, false)},
          [&kernels, params = named.params] {
            auto sampler = std::make_shared<Sampler>(kernels);
            return looped([=, logits = some_logits(), token = SampledToken()](uint64_t turn) mutable {
              (void)sampler->sample(logits.data(), kVocabSize, params, static_cast<int64_t>(turn), &token);
            });
          }};
}

std::vector<Case> cases_of_sampling() {
  const NamedParams kinds[] = {
      {"greedy", {}},
      {"top-k-40", {.temperature = 1.0f, .top_k = 40, .seed = 1}},
      {"top-p-0.9", {.temperature = 1.0f, .top_p = 0.9f, .seed = 1}},
      {"min-p-0.05", {.temperature = 1.0f, .min_p = 0.05f, .seed = 1}},
      {"all", {.temperature = 1.0f, .seed = 1}},
      {"greedy-20-logprobs", {.logprobs = true, .top_logprobs = 20}},
  };
  std::vector<Case> result;
  for (const NamedParams& each : kinds) {
    for (const Isa isa : isas_with_forms(&KernelTable::logits))
      result.push_back(case_of(describe(kernels_of(isa), each), isa_name(isa)));
  }
  return result;
}

const CaseTable table(cases_of_sampling());

}  // namespace

}  // namespace switchyard::bench
