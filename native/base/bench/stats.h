// Order statistics of samples, for the harness.
#pragma once

#include <algorithm>
#include <cstddef>
#include <span>
#include <vector>

namespace switchyard::bench {

/// The value below or at which the share `quantile` (0 to 1) of the samples lies, by nearest rank; 0 for no samples. Reorders them.
inline double quantile_of(std::span<double> samples, double quantile) {
  if (samples.empty()) return 0;
  const auto last = static_cast<double>(samples.size() - 1);
  const auto at = samples.begin() + static_cast<std::ptrdiff_t>(quantile * last + 0.5);
  std::nth_element(samples.begin(), at, samples.end());
  return *at;
}

inline double mean_of(std::span<const double> samples) {
  double sum = 0;
  for (const double sample : samples) sum += sample;
  return samples.empty() ? 0 : sum / static_cast<double>(samples.size());
}

}  // namespace switchyard::bench
