// See sampling.h. Candidates are sorted only where a filter needs the order.
#include "kernels/sampling/sampling.h"

#include <algorithm>
#include <array>
#include <bit>
#include <functional>
#include <limits>
#include <numbers>

#include "base/math.h"

namespace switchyard {
namespace {

constexpr float kTotalSpan = 37.0f;  // exp32(-37) < 2^-53
constexpr float kMinPSlack = 1e-3f;  // more than exp32 and log64 are off, in logarithms
constexpr float kNoiseSpan = 27.0f;  // -log(-log u) lies in (-3.14, 22.9) for u = (x + 0.5) / 2^32

double gumbel(uint32_t word) {
  const double u = (static_cast<double>(word) + 0.5) / 4294967296.0;
  return -log64(-log64(u));
}

/// At least gumbel(word), without a logarithm: -log(u) >= 1 - u >= 2^-(k + 1), k the number of leading ones of the word. What is added
/// covers the roundings.
double gumbel_bound(uint32_t word) { return (std::countl_one(word) + 1) * std::numbers::ln2 + 1e-6; }

/// The first logit that equals the largest one.
int32_t first_of_largest(const float* logits, float largest, const float* maxima) {
  int32_t id = 0;
  while (maxima[id / kLogitBlock] != largest) id += kLogitBlock;
  while (logits[id] != largest) ++id;
  return id;
}

/// Finite floats in their order, as integers. Of zeros, the negative one is the lower.
int32_t rank_of(float x) {
  const auto bits = std::bit_cast<int32_t>(x);
  return bits < 0 ? bits ^ 0x7fffffff : bits;
}

float of_rank(int32_t rank) { return std::bit_cast<float>(rank < 0 ? rank ^ 0x7fffffff : rank); }

/// The lowest logit that is_kept, which holds for `highest` and, with a logit, for all above it.
template <class IsKept>
float lowest_kept(float highest, const IsKept& is_kept) {
  int64_t low = rank_of(-std::numeric_limits<float>::max());
  int64_t high = rank_of(highest);
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    if (is_kept(of_rank(static_cast<int32_t>(middle)))) {
      high = middle;
    } else {
      low = middle + 1;
    }
  }
  return of_rank(static_cast<int32_t>(high));
}

/// comes_first as a type, so that sorting need not call it.
struct IsFirst {
  bool operator()(const SamplingCandidate& a, const SamplingCandidate& b) const { return comes_first(a, b); }
};

/// How far below the best a candidate can stand and still win.
float span_of(float min_p) {
  if (min_p == 0.0f) return kNoiseSpan;
  return std::min(kNoiseSpan, static_cast<float>(-log64(min_p)) + kMinPSlack);
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

Sampler::Sampler(const KernelTable& kernels) : kernels_(&kernels) {}

Status Sampler::sample(const float* logits, int vocab_size, const SamplingParams& params, int64_t position,
                       SampledToken* token) {
  maxima_.resize(num_logit_blocks(vocab_size));
  const LogitPeak peak = kernels_->logits->find_peak(logits, vocab_size, maxima_.data());
  if (!peak.is_finite)
    return {Code::kInternal, "the model's logits are not finite at position " + std::to_string(position - 1)};
  if (params.temperature == 0.0f) {
    token->token_id = first_of_largest(logits, peak.largest, maxima_.data());
  } else {
    largest_ = peak.largest;
    collect({logits, static_cast<size_t>(vocab_size)}, params);
    if (params.min_p > 0.0f) cut_min_p(params.min_p);
    token->token_id = draw(params, position);
  }
  report_logprobs({logits, static_cast<size_t>(vocab_size)}, params, token);
  return {};
}

/// A number that at least `count` logits reach, for few that do: as many blocks have it in them. Without so many blocks, the lowest float.
float Sampler::reached_by(size_t count) {
  if (count > maxima_.size()) return -std::numeric_limits<float>::max();
  ordered_maxima_ = maxima_;
  const auto nth = ordered_maxima_.begin() + (count - 1);
  std::nth_element(ordered_maxima_.begin(), nth, ordered_maxima_.end(), std::greater<>());
  return *nth;
}

void Sampler::select(std::span<const float> logits, float least, float temperature) {
  room_.resize(logits.size());
  const int count =
      kernels_->logits->select({logits.data(), static_cast<int>(logits.size()), least, temperature, room_.data()});
  candidates_ = {room_.data(), static_cast<size_t>(count)};
}

void Sampler::keep_first(size_t count) {
  count = std::min(count, candidates_.size());
  std::partial_sort(candidates_.begin(), candidates_.begin() + count, candidates_.end(), IsFirst());
  candidates_ = candidates_.first(count);
}

/// Selects the logits whose value is at least `least` and no more than `span` below the best. Quotients and differences of higher logits
/// are no lower, so that one comparison a logit is enough.
void Sampler::select_within(std::span<const float> logits, float temperature, float span, float least) {
  const float lowest = lowest_kept(largest_, [&](float logit) {
    const float z = logit / temperature;
    return z - best_ >= -span && z >= least;
  });
  select(logits, lowest, temperature);
}

/// Candidates in sampling order when top-k or top-p is on, by id otherwise. Left out is only what cannot change the choice.
void Sampler::collect(std::span<const float> logits, const SamplingParams& params) {
  best_ = largest_ / params.temperature;
  const bool is_cut = params.top_p < 1.0f;
  if (params.top_k > 0) {
    const float span = is_cut ? kTotalSpan : span_of(params.min_p);
    select_within(logits, params.temperature, span, reached_by(params.top_k) / params.temperature);
    keep_first(params.top_k);
    if (is_cut) weigh(), cut_top_p(params.top_p);
  } else if (is_cut) {
    collect_top_p(logits, params);
  } else {
    select_within(logits, params.temperature, span_of(params.min_p), -std::numeric_limits<float>::infinity());
  }
}

/// The total of all weights depends on their order, but little: where every total that is as near to this one gives the same prefix, no
/// more candidates need be sorted than that takes.
void Sampler::collect_top_p(std::span<const float> logits, const SamplingParams& params) {
  const auto size = static_cast<int>(logits.size());
  const double total = kernels_->logits->total_weight(logits.data(), size, params.temperature, best_);
  const double wanted = params.top_p * total;
  // A sum of n numbers is off by less than n 2^-53 of itself, and so is what kTotalSpan leaves out.
  const double slack = wanted * size * 0x1p-50;
  for (const float span : {4.0f, 8.0f, 16.0f}) {
    sort_within(logits, params.temperature, span);
    if (keep_prefix(wanted - slack, wanted + slack)) return;
  }
  sort_within(logits, params.temperature, kTotalSpan);
  cut_top_p(params.top_p);
}

void Sampler::sort_within(std::span<const float> logits, float temperature, float span) {
  select_within(logits, temperature, span, -std::numeric_limits<float>::infinity());
  spare_.resize(logits.size());
  candidates_ = sort_candidates(candidates_, spare_.data());
  weigh();
}

void Sampler::weigh() {
  weights_.resize(candidates_.size());
  for (size_t i = 0; i < candidates_.size(); ++i) weights_[i] = candidates_[i].value;
  kernels_->logits->exp_below(weights_.data(), static_cast<int>(weights_.size()), best_);
}

void Sampler::cut_top_p(float top_p) {
  double total = 0.0;
  for (const float p : weights_) total += p;
  keep_prefix(top_p * total, top_p * total);
}

/// Keeps the shortest prefix whose weights reach what is wanted, a number of [low, high]. Does nothing and returns false where it is not the
/// same for all of these, or where there are too few candidates.
bool Sampler::keep_prefix(double low, double high) {
  double sum = 0.0;
  size_t kept = 0;
  while (kept < weights_.size() && sum < low) sum += weights_[kept++];
  if (sum < high) return false;
  candidates_ = candidates_.first(kept);
  return true;
}

void Sampler::cut_min_p(float min_p) {
  weigh();
  size_t kept = 0;
  for (size_t i = 0; i < candidates_.size(); ++i) {
    if (weights_[i] >= min_p) candidates_[kept++] = candidates_[i];
  }
  candidates_ = candidates_.first(kept);
}

int32_t Sampler::draw(const SamplingParams& params, int64_t position) const {
  constexpr size_t kChunk = 64 * kNoiseStep;
  const NoiseKey key{params.seed, static_cast<uint64_t>(position)};
  int32_t winner = -1;
  double best = -std::numeric_limits<double>::infinity();
  std::array<int32_t, kChunk> ids{};
  std::array<uint32_t, kChunk> words;
  for (size_t first = 0; first < candidates_.size(); first += kChunk) {
    const auto chunk = candidates_.subspan(first, std::min(kChunk, candidates_.size() - first));
    for (size_t i = 0; i < chunk.size(); ++i) ids[i] = chunk[i].id;
    kernels_->logits->noise_words(key, ids.data(), static_cast<int>(chunk.size()), words.data());
    for (size_t i = 0; i < chunk.size(); ++i) {
      const auto value = static_cast<double>(chunk[i].value);
      if (chunk[i].value < best_ - kNoiseSpan || value + gumbel_bound(words[i]) < best) continue;
      const double score = value + gumbel(words[i]);
      if (score > best || (score == best && chunk[i].id < winner)) {
        best = score;
        winner = chunk[i].id;
      }
    }
  }
  return winner;
}

void Sampler::report_logprobs(std::span<const float> logits, const SamplingParams& params, SampledToken* token) {
  token->logprob = std::numeric_limits<float>::quiet_NaN();
  token->top_ids.clear();
  token->top_logprobs.clear();
  if (!params.logprobs && params.top_logprobs == 0) return;
  const SoftmaxSum softmax = kernels_->softmax_sum(logits.data(), static_cast<int>(logits.size()));
  const double log_sum = log64(softmax.sum);
  const auto logprob_of = [&](int32_t id) {
    return static_cast<float>(static_cast<double>(logits[id] - softmax.max) - log_sum);
  };
  if (params.logprobs) token->logprob = logprob_of(token->token_id);
  if (params.top_logprobs == 0) return;
  select(logits, reached_by(params.top_logprobs), 1.0f);
  keep_first(params.top_logprobs);
  for (const Candidate& c : candidates_) {
    token->top_ids.push_back(c.id);
    token->top_logprobs.push_back(logprob_of(c.id));
  }
}

}  // namespace switchyard
