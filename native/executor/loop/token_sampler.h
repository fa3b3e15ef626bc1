// Draws tokens for rows of logits, a tile of rows at a time, rows shared among the threads. Called by the core for what the main model
// says, by the drafter for what the MTP layer guesses: both by the same noise, a function of seed, position and token alone (D2).
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "base/thread_pool.h"
#include "executor/loop/sequence.h"

namespace switchyard::executor {

/// A token that is wanted.
struct SampleRow {
  const Sequence* sequence;
  int position;   // index of the token in its sequence
  bool is_draft;  // a guess: its logprobs are nobody's concern
};

struct SampleResult {
  Status status;
  SampledToken token;
};

class TokenSampler {
 public:
  static constexpr int kTileRows = 16;  // rows of logits in memory at once

  /// Writes the logits [count][vocab] of rows first .. first + count - 1 of a call.
  using FillLogits = std::function<void(int first, int count, float* logits)>;

  /// pool outlives this object.
  TokenSampler(int vocab_size, ThreadPool* pool);

  /// results: one a row. INTERNAL for a row whose logits are not finite.
  void sample(std::span<const SampleRow> rows, const FillLogits& fill, std::vector<SampleResult>* results);

 private:
  int vocab_size_;
  ThreadPool* pool_;
  std::vector<Sampler> samplers_;  // [threads]
  std::vector<float> logits_;      // [tile][vocab]
};

}  // namespace switchyard::executor
