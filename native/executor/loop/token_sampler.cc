#include "executor/loop/token_sampler.h"

#include <algorithm>

namespace switchyard::executor {

TokenSampler::TokenSampler(int vocab_size, ThreadPool* pool)
    : vocab_size_(vocab_size),
      pool_(pool),
      samplers_(pool->num_threads()),
      logits_(static_cast<size_t>(kTileRows) * vocab_size) {}

void TokenSampler::sample(std::span<const SampleRow> rows, const FillLogits& fill, std::vector<SampleResult>* results) {
  results->assign(rows.size(), {});
  const int num_rows = static_cast<int>(rows.size());
  for (int first = 0; first < num_rows; first += kTileRows) {
    const int count = std::min(kTileRows, num_rows - first);
    fill(first, count, logits_.data());
    pool_->run(count, [&](int i, int worker) {
      const SampleRow& row = rows[first + i];
      SampleResult& result = (*results)[first + i];
      SamplingParams params = row.sequence->spec.sampling;
      if (row.is_draft) params.logprobs = false, params.top_logprobs = 0;
      const float* logits = &logits_[static_cast<size_t>(i) * vocab_size_];
      result.status = samplers_[worker].sample(logits, vocab_size_, params, row.position, &result.token);
    });
  }
}

}  // namespace switchyard::executor
