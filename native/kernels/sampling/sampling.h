// Choosing the next token from a row of raw logits (docs/numerics.md, "Sampling"). Called by the executor at the end of a step.
// The token is the argmax of logit / temperature + g over what the filters leave, g = -log(-log u): a draw from their softmax (the Gumbel-max
// trick; u from Philox4x32-10, Salmon et al., SC 2011).
// Stateless: the noise is a function of (seed, position, token id).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "base/status.h"
#include "kernels/registry.h"
#include "kernels/sampling/candidates.h"

namespace switchyard {

inline constexpr int kMaxTopLogprobs = 20;
inline constexpr float kLowestTemperature = 1e-4f;

struct SamplingParams {
  float temperature = 0.0f;  // 0 is argmax, else at least kLowestTemperature
  int top_k = 0;             // 0 is off
  float top_p = 1.0f;        // 1 is off
  float min_p = 0.0f;        // 0 is off
  uint64_t seed = 0;
  bool logprobs = false;
  int top_logprobs = 0;  // 0 .. kMaxTopLogprobs
};

struct SampledToken {
  int32_t token_id = 0;
  float logprob = 0.0f;  // NaN unless asked for
  std::vector<int32_t> top_ids;
  std::vector<float> top_logprobs;
};

/// INVALID_ARGUMENT naming the field that is out of range.
Status check_sampling_params(const SamplingParams& params);

/// Reused between calls so that sampling does not allocate once it is warm.
class Sampler {
 public:
  /// kernels: of the table in use, or of one that a test names.
  explicit Sampler(const KernelTable& kernels = switchyard::kernels());

  /// logits [vocab_size]; position: the index the new token gets in its sequence.
  /// INTERNAL when a logit is not finite.
  Status sample(const float* logits, int vocab_size, const SamplingParams& params, int64_t position,
                SampledToken* token);

 private:
  using Candidate = SamplingCandidate;

  float reached_by(size_t count);
  void select(std::span<const float> logits, float least, float temperature);
  void keep_first(size_t count);
  void select_within(std::span<const float> logits, float temperature, float span, float least);
  void collect(std::span<const float> logits, const SamplingParams& params);
  void collect_top_p(std::span<const float> logits, const SamplingParams& params);
  void sort_within(std::span<const float> logits, float temperature, float span);
  void weigh();
  void cut_top_p(float top_p);
  bool keep_prefix(double low, double high);
  void cut_min_p(float min_p);
  int32_t draw(const SamplingParams& params, int64_t position) const;
  void report_logprobs(std::span<const float> logits, const SamplingParams& params, SampledToken* token);

  const KernelTable* kernels_;
  float largest_ = 0.0f;               // logit
  float best_ = 0.0f;                  // its value, which no filter takes away
  std::span<Candidate> candidates_;    // in room_ or spare_
  std::vector<Candidate> room_;        // for all logits
  std::vector<Candidate> spare_;       // for sorting
  std::vector<float> maxima_;          // of the blocks of logits
  std::vector<float> ordered_maxima_;  // the same, partly sorted
  std::vector<float> weights_;         // of the candidates, before they are divided by their sum
};

}  // namespace switchyard
