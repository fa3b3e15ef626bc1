// The tokens that sampling may choose from, and their order: descending value, ties by ascending id (docs/numerics.md, "Sampling").
// Called by the sampler.
#pragma once

#include <cstdint>
#include <vector>

namespace switchyard {

struct SamplingCandidate {
  float value;  // logit / temperature; finite
  int32_t id;
};

inline bool comes_first(const SamplingCandidate& a, const SamplingCandidate& b) {
  return a.value > b.value || (a.value == b.value && a.id < b.id);
}

/// Sorts candidates that come in ascending id. `spare` is memory only; afterwards both may have changed places.
void sort_candidates(std::vector<SamplingCandidate>* candidates, std::vector<SamplingCandidate>* spare);

}  // namespace switchyard
