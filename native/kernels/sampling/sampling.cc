// See sampling.h. Candidates are sorted only where a filter needs the order.
#include "kernels/sampling/sampling.h"

#include <algorithm>
#include <bit>
#include <limits>
#include <numbers>

#include "base/exp32_constants.h"
#include "base/math.h"
#include "base/philox.h"
#include "kernels/registry.h"

namespace switchyard {
namespace {

constexpr float kNoiseSpan = 27.0f;  // -log(-log u) lies in (-3.14, 22.9) for u = (x + 0.5) / 2^32

/// x of docs/numerics.md: the noise grows with it.
uint32_t noise_word(uint64_t seed, int64_t position, int32_t token_id) {
  const auto place = static_cast<uint64_t>(position);
  return philox4x32(
      {static_cast<uint32_t>(token_id), static_cast<uint32_t>(place), static_cast<uint32_t>(place >> 32), 0},
      {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)})[0];
}

double gumbel(uint32_t word) {
  const double u = (static_cast<double>(word) + 0.5) / 4294967296.0;
  return -log64(-log64(u));
}

/// At least gumbel(word), without a logarithm: -log(u) >= 1 - u >= 2^-(k + 1), k the number of leading ones of the word. What is added
/// covers the roundings.
double gumbel_bound(uint32_t word) { return (std::countl_one(word) + 1) * std::numbers::ln2 + 1e-6; }

/// By the bits, which the compiler makes vectors of.
bool all_finite(const float* x, int size) {
  constexpr uint32_t kExponent = 0x7f800000;
  uint32_t is_any_not = 0;
  for (int i = 0; i < size; ++i) is_any_not |= (std::bit_cast<uint32_t>(x[i]) & kExponent) == kExponent;
  return is_any_not == 0;
}

/// size > 0. In chains, so that a comparison need not wait for the one before.
float largest(const float* x, int size) {
  constexpr int kChains = 16;
  float chain[kChains];
  std::fill_n(chain, kChains, x[0]);
  int i = 0;
  for (; i + kChains <= size; i += kChains) {
    for (int c = 0; c < kChains; ++c) chain[c] = x[i + c] > chain[c] ? x[i + c] : chain[c];
  }
  return std::max(*std::max_element(chain, chain + kChains), *std::max_element(x + std::min(i, size - 1), x + size));
}

/// Ties go to the lower id. x is finite.
int32_t argmax(const float* x, int size) {
  constexpr int kBlock = 1024;
  int32_t id = 0;
  float best = x[0];
  for (int first = 0; first < size; first += kBlock) {
    const float candidate = largest(x + first, std::min(kBlock, size - first));
    if (candidate <= best) continue;
    best = candidate;
    id = first;
  }
  while (x[id] != best) ++id;
  return id;
}

}  // namespace

Status check_sampling_params(const SamplingParams& params) {
  const float t = params.temperature;
  if (!(t == 0.0f || (t >= kLowestTemperature && t <= 100.0f)))
    return {Code::kInvalidArgument, "sampling.temperature must be 0 or 0.0001 to 100"};
  if (params.top_k < 0) return {Code::kInvalidArgument, "sampling.topK must not be negative"};
  if (!(params.top_p > 0.0f && params.top_p <= 1.0f))
    return {Code::kInvalidArgument, "sampling.topP must lie in (0, 1]"};
  if (!(params.min_p >= 0.0f && params.min_p <= 1.0f))
    return {Code::kInvalidArgument, "sampling.minP must lie in [0, 1]"};
  if (params.top_logprobs < 0 || params.top_logprobs > kMaxTopLogprobs)
    return {Code::kInvalidArgument, "sampling.topLogprobs must be 0 to 20"};
  return {};
}

Status Sampler::sample(const float* logits, int vocab_size, const SamplingParams& params, int64_t position,
                       SampledToken* token) {
  if (!all_finite(logits, vocab_size))
    return {Code::kInternal, "the model's logits are not finite at position " + std::to_string(position - 1)};
  const int32_t best = argmax(logits, vocab_size);
  if (params.temperature == 0.0f) {
    token->token_id = best;
  } else {
    collect(logits, vocab_size, params, logits[best]);
    if (params.top_p < 1.0f) cut_top_p(params.top_p);
    if (params.min_p > 0.0f) cut_min_p(params.min_p);
    token->token_id = draw(params, position);
  }
  report_logprobs(logits, vocab_size, params, token);
  return {};
}

/// Candidates in sampling order when top-k or top-p is on, by id otherwise. Left out is only what has probability 0 or cannot win.
void Sampler::collect(const float* logits, int vocab_size, const SamplingParams& params, float max) {
  const bool is_sorted = params.top_k > 0 || params.top_p < 1.0f;
  const float span = is_sorted ? -exp32_constants::kLowest : kNoiseSpan;
  const float best = max / params.temperature;
  candidates_.clear();
  for (int i = 0; i < vocab_size; ++i) {
    const float z = logits[i] / params.temperature;
    if (z - best >= -span) candidates_.push_back({z, i});
  }
  if (!is_sorted) return;
  if (params.top_k == 0) return sort_candidates(&candidates_, &spare_);
  const size_t kept = std::min<size_t>(params.top_k, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + kept, candidates_.end(), comes_first);
  candidates_.resize(kept);
}

void Sampler::cut_top_p(float top_p) {
  const float best = candidates_.front().value;
  double total = 0.0;
  for (const Candidate& c : candidates_) total += exp32(c.value - best);
  const double wanted = static_cast<double>(top_p) * total;
  double sum = 0.0;
  size_t kept = 0;
  while (kept < candidates_.size() && sum < wanted) sum += exp32(candidates_[kept++].value - best);
  candidates_.resize(std::max<size_t>(kept, 1));
}

void Sampler::cut_min_p(float min_p) {
  float best = candidates_.front().value;
  for (const Candidate& c : candidates_) best = std::max(best, c.value);
  std::erase_if(candidates_, [&](const Candidate& c) { return exp32(c.value - best) < min_p; });
}

int32_t Sampler::draw(const SamplingParams& params, int64_t position) const {
  float highest = candidates_.front().value;
  for (const Candidate& c : candidates_) highest = std::max(highest, c.value);
  int32_t winner = -1;
  double best = -std::numeric_limits<double>::infinity();
  for (const Candidate& c : candidates_) {
    if (c.value < highest - kNoiseSpan) continue;
    const uint32_t word = noise_word(params.seed, position, c.id);
    if (static_cast<double>(c.value) + gumbel_bound(word) < best) continue;
    const double score = static_cast<double>(c.value) + gumbel(word);
    if (score > best || (score == best && c.id < winner)) {
      best = score;
      winner = c.id;
    }
  }
  return winner;
}

void Sampler::report_logprobs(const float* logits, int vocab_size, const SamplingParams& params, SampledToken* token) {
  token->logprob = std::numeric_limits<float>::quiet_NaN();
  token->top_ids.clear();
  token->top_logprobs.clear();
  if (!params.logprobs && params.top_logprobs == 0) return;
  const SoftmaxSum softmax = kernels().softmax_sum(logits, vocab_size);
  const double log_sum = log64(softmax.sum);
  const auto logprob_of = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(logits[id] - softmax.max) - log_sum);
  };
  if (params.logprobs) token->logprob = logprob_of(token->token_id);
  const int count = std::min(params.top_logprobs, vocab_size);
  if (count == 0) return;
  candidates_.clear();
  for (int i = 0; i < vocab_size; ++i) candidates_.push_back({logits[i], i});
  std::partial_sort(candidates_.begin(), candidates_.begin() + count, candidates_.end(), comes_first);
  for (int i = 0; i < count; ++i) {
    token->top_ids.push_back(candidates_[i].id);
    token->top_logprobs.push_back(logprob_of(candidates_[i].id));
  }
}

}  // namespace switchyard
