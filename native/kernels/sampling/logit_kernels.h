// What the sampler does with every logit of a vocabulary, or with every candidate: a row of functions an instruction set (docs/numerics.md,
// "Sampling"). Called by the sampler alone.
#pragma once

#include <cstdint>

#include "kernels/sampling/candidates.h"

namespace switchyard {

struct LogitPeak {
  float largest;  // of either sign where it is zero
  bool is_finite;
};

/// Logits that share a maximum.
inline constexpr int kLogitBlock = 128;

constexpr int num_logit_blocks(int size) { return (size + kLogitBlock - 1) / kLogitBlock; }

struct SelectLogitsArgs {
  const float* logits;  // [size]
  int size;
  float least;
  float temperature;
  SamplingCandidate* candidates;  // room for `size`
};

/// What the noise of a token depends on besides its id.
struct NoiseKey {
  uint64_t seed;
  uint64_t position;
};

/// Ids and words of noise have room for a multiple of so many.
inline constexpr int kNoiseStep = 8;

struct LogitKernels {
  /// size > 0. maxima: [num_logit_blocks(size)], each block's largest. Where a logit is not finite, they and `largest` are anything.
  LogitPeak (*find_peak)(const float* logits, int size, float* maxima);
  /// Writes a candidate for each logit of at least `least`, by ascending id; returns how many.
  int (*select)(const SelectLogitsArgs& args);
  /// Sum of exp32(logit / temperature - best) of all logits in binary64, in any order.
  double (*total_weight)(const float* logits, int size, float temperature, float best);
  /// values[i] = exp32(values[i] - best).
  void (*exp_below)(float* values, int count, float best);
  /// words[i] = x of docs/numerics.md for ids[i].
  void (*noise_words)(const NoiseKey& key, const int32_t* ids, int count, uint32_t* words);
};

extern const LogitKernels kLogitKernelsRef;
extern const LogitKernels kLogitKernelsAvx2;
extern const LogitKernels kLogitKernelsAvx512;

}  // namespace switchyard
