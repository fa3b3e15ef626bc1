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

/// What every form has to do is to look at each logit once; filters and noise come on top.
KernelBench describe(const std::string& name, const SamplingParams& params) {
  const double bytes = kVocabSize * sizeof(float);
  return {"sampling-" + name + "-hot", RateUnit::kGbytes, {2.0 * kVocabSize, bytes, span_of(bytes, false)}, [=] {
            auto sampler = std::make_shared<Sampler>();
            return looped([=, logits = some_logits(), token = SampledToken()](uint64_t turn) mutable {
              (void)sampler->sample(logits.data(), kVocabSize, params, static_cast<int64_t>(turn), &token);
            });
          }};
}

const CaseTable table{
    case_of(describe("greedy", {}), kOnlyForm),
    case_of(describe("top-k-40", {.temperature = 1.0f, .top_k = 40, .seed = 1}), kOnlyForm),
    case_of(describe("top-p-0.9", {.temperature = 1.0f, .top_p = 0.9f, .seed = 1}), kOnlyForm),
    case_of(describe("all", {.temperature = 1.0f, .seed = 1}), kOnlyForm),
    case_of(describe("greedy-20-logprobs", {.logprobs = true, .top_logprobs = 20}), kOnlyForm),
};

}  // namespace

}  // namespace switchyard::bench
