// The tokens that sampling may choose from, and their order: descending value, ties by ascending id (docs/numerics.md, "Sampling").
// Called by the sampler.
#pragma once

#include <cstdint>
#include <span>

namespace switchyard {

struct SamplingCandidate {
  float value;  // logit / temperature; finite
  int32_t id;
};

inline bool comes_first(const SamplingCandidate& a, const SamplingCandidate& b) {
  return a.value > b.value || (a.value == b.value && a.id < b.id);
}

/// Sorts candidates that come in ascending id, with memory for as many more. Returns which of the two has the sorted ones.
std::span<SamplingCandidate> sort_candidates(std::span<SamplingCandidate> candidates, SamplingCandidate* spare);

}  // namespace switchyard
