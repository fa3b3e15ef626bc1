#include "kernels/rope/rope_frequencies.h"

#include <algorithm>
#include <cmath>

#include "base/math.h"

namespace switchyard {
namespace {

constexpr double kTwoPi = 6.283185307179586;

/// theta^(2i / d) of each pair.
std::vector<float> periods(const RopeShape& shape, double theta) {
  std::vector<float> result(shape.num_pairs());
  for (int i = 0; i < shape.num_pairs(); ++i) {
    const float exponent = static_cast<float>(2 * i) / static_cast<float>(shape.rotary_dim);
    result[i] = static_cast<float>(pow64(theta, exponent));
  }
  return result;
}

/// NTK: theta stretched for a sequence that ends at `position`. With one pair theta does not matter.
double stretched_theta(const RopeShape& shape, int position) {
  if (position < shape.original_max_positions || shape.rotary_dim == 2) return shape.theta;
  const double ratio = shape.factor * (position + 1) / shape.original_max_positions - (shape.factor - 1.0);
  return shape.theta * pow64(ratio, shape.rotary_dim / (shape.rotary_dim - 2.0));
}

/// The pair, as a real number, that turns `rotations` times in the positions of the training.
double pair_of_rotations(const RopeShape& shape, double rotations) {
  const double period = shape.original_max_positions / (rotations * kTwoPi);
  return shape.rotary_dim * log64(period) / (2.0 * log64(shape.theta));
}

/// YaRN: quick pairs stay, slow ones are interpolated, a ramp lies between them (arXiv 2309.00071, section 3.2).
void apply_yarn(const RopeShape& shape, const std::vector<float>& period, std::vector<float>* frequency) {
  double low = pair_of_rotations(shape, shape.beta_fast);
  double high = pair_of_rotations(shape, shape.beta_slow);
  if (shape.truncate) {
    low = std::floor(low);
    high = std::ceil(high);
  }
  low = std::max(low, 0.0);
  high = std::min(high, shape.rotary_dim - 1.0);
  if (low == high) high += 0.001;
  const auto first = static_cast<float>(low);
  const auto width = static_cast<float>(high - low);
  const auto factor = static_cast<float>(shape.factor);
  for (int i = 0; i < shape.num_pairs(); ++i) {
    const float ramp = std::clamp((static_cast<float>(i) - first) / width, 0.0f, 1.0f);
    const float kept = 1.0f - ramp;
    (*frequency)[i] = 1.0f / (factor * period[i]) * (1.0f - kept) + (*frequency)[i] * kept;
  }
}

/// Llama 3: long waves are interpolated, short ones stay, those between are mixed.
void apply_llama3(const RopeShape& shape, std::vector<float>* frequency) {
  const auto factor = static_cast<float>(shape.factor);
  const auto low = static_cast<float>(shape.low_freq_factor);
  const auto high = static_cast<float>(shape.high_freq_factor);
  const auto positions = static_cast<float>(shape.original_max_positions);
  for (float& f : *frequency) {
    const float wavelength = static_cast<float>(kTwoPi) / f;
    if (wavelength > positions / low) {
      f = f / factor;
    } else if (wavelength >= positions / high) {
      const float smooth = (positions / wavelength - low) / (high - low);
      f = (1.0f - smooth) * f / factor + smooth * f;
    }
  }
}

}  // namespace

std::vector<float> rope_frequencies(const RopeShape& shape, int position, const std::vector<float>& divisors) {
  const bool is_dynamic = shape.scaling == RopeScaling::kDynamic;
  const std::vector<float> period = periods(shape, is_dynamic ? stretched_theta(shape, position) : shape.theta);
  std::vector<float> frequency(period.size());
  for (size_t i = 0; i < period.size(); ++i) frequency[i] = 1.0f / period[i];
  switch (shape.scaling) {
    case RopeScaling::kDefault:
    case RopeScaling::kDynamic:
      break;
    case RopeScaling::kLinear:
      for (float& f : frequency) f /= static_cast<float>(shape.factor);
      break;
    case RopeScaling::kYarn:
      apply_yarn(shape, period, &frequency);
      break;
    case RopeScaling::kLlama3:
      apply_llama3(shape, &frequency);
      break;
    case RopeScaling::kTensor:
      for (size_t i = 0; i < frequency.size(); ++i) frequency[i] /= divisors[i];
      break;
  }
  return frequency;
}

}  // namespace switchyard
