// The frequencies of rotary pairs (docs/numerics.md, operation 4), with what models do to reach beyond the positions of their training.
// Called by RopeTable. Formulas: transformers, modeling_rope_utils.py.
#pragma once

#include <vector>

namespace switchyard {

enum class RopeScaling {
  kDefault,
  kLinear,
  kDynamic,  // theta grows with the position from original_max_positions on
  kYarn,
  kLlama3,
  kTensor,  // each frequency has a divisor of its own
};

struct RopeShape {
  int rotary_dim = 0;  // even
  double theta = 10000.0;
  bool is_interleaved = true;  // pairs are (2i, 2i + 1), otherwise (i, i + rotary_dim / 2)
  RopeScaling scaling = RopeScaling::kDefault;
  double factor = 1.0;             // of all scalings but kDefault and kTensor
  int original_max_positions = 0;  // kDynamic, kYarn, kLlama3
  double beta_fast = 32.0;         // kYarn, as the three that follow
  double beta_slow = 1.0;
  float attention_factor = 1.0f;  // multiplies cosine and sine
  bool truncate = true;
  double low_freq_factor = 1.0;  // kLlama3, as the one that follows
  double high_freq_factor = 4.0;

  int num_pairs() const { return rotary_dim / 2; }
};

/// [num_pairs] radians a position, of the token at `position`, which matters to kDynamic alone.
/// divisors: [num_pairs] of kTensor.
std::vector<float> rope_frequencies(const RopeShape& shape, int position, const std::vector<float>& divisors);

}  // namespace switchyard
