// The whole model over one token sequence, by the calling thread and as many others as it asks for: the reference for goldens and parity tests, never used for serving.
#pragma once

#include <span>
#include <vector>

#include "executor/model_spec.h"
#include "executor/weights/weight_store.h"

namespace switchyard::executor {

struct Evaluation {
  std::vector<float> logits;      // [num_tokens][vocab]
  std::vector<float> mtp_logits;  // [num_tokens - 1][vocab]; empty without mtp
};

/// tokens: 1 .. maxPositions, each in the vocabulary. chunk_tokens > 0: rows of a forward pass (all
/// of them with mtp), all of a prompt. num_threads > 0. The logits depend on neither.
Status evaluate(const ModelSpec& spec, const WeightStore& store, std::span<const int32_t> tokens, int chunk_tokens,
                bool mtp, int num_threads, Evaluation* result);

}  // namespace switchyard::executor
