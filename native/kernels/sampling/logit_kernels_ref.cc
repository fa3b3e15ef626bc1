#include <algorithm>
#include <cmath>

#include "base/math.h"
#include "base/philox.h"
#include "kernels/sampling/logit_kernels.h"

namespace switchyard {
namespace {

LogitPeak find_peak(const float* logits, int size, float* maxima) {
  LogitPeak peak{logits[0], true};
  for (int first = 0; first < size; first += kLogitBlock) {
    float largest = logits[first];
    for (int i = first; i < std::min(first + kLogitBlock, size); ++i) {
      largest = std::max(largest, logits[i]);
      peak.is_finite &= std::isfinite(logits[i]);
    }
    maxima[first / kLogitBlock] = largest;
    peak.largest = std::max(peak.largest, largest);
  }
  return peak;
}

int select(const SelectLogitsArgs& args) {
  int count = 0;
  for (int i = 0; i < args.size; ++i) {
    if (args.logits[i] >= args.least) args.candidates[count++] = {args.logits[i] / args.temperature, i};
  }
  return count;
}

double total_weight(const float* logits, int size, float temperature, float best) {
  double sum = 0.0;
  for (int i = 0; i < size; ++i) sum += exp32(logits[i] / temperature - best);
  return sum;
}

void exp_below(float* values, int count, float best) {
  for (int i = 0; i < count; ++i) values[i] = exp32(values[i] - best);
}

void noise_words(const NoiseKey& key, const int32_t* ids, int count, uint32_t* words) {
  const auto low = [](uint64_t x) { return static_cast<uint32_t>(x); };
  const auto high = [](uint64_t x) { return static_cast<uint32_t>(x >> 32); };
  for (int i = 0; i < count; ++i) {
    words[i] = philox4x32({static_cast<uint32_t>(ids[i]), low(key.position), high(key.position), 0},
                          {low(key.seed), high(key.seed)})[0];
  }
}

}  // namespace

const LogitKernels kLogitKernelsRef{find_peak, select, total_weight, exp_below, noise_words};

}  // namespace switchyard
