// The vector forms of the sampler's work on every logit. Include after a lanes_*.h and its words_*.h.
#pragma once

#include "base/philox.h"
#include "kernels/lanes/exp_lanes.h"
#include "kernels/lanes/lane_parts.h"
#include "kernels/sampling/logit_kernels.h"

namespace switchyard {
namespace {

inline LogitPeak find_peak_lanes(const float* logits, int size, float* maxima) {
  const Lanes least = Lanes::broadcast(-__builtin_inff());
  Lanes most_of_all = least;
  Lanes finite = Lanes::zero();  // 0 * x + 0: NaN from a number on that is not finite
  for (int first = 0; first < size; first += kLogitBlock) {
    const int rest = size - first;
    Lanes most = least;
    for_each_part(rest < kLogitBlock ? rest : kLogitBlock, [&](int i, auto part) {
      const Lanes x = part.load(logits + first + i);
      finite = Lanes::fma(x, Lanes::zero(), finite);
      most = part.blend(Lanes::max(x, most), most);
    });
    maxima[first / kLogitBlock] = most.largest();
    most_of_all = Lanes::max(most, most_of_all);
  }
  return {most_of_all.largest(), Lanes::equal_bits(finite, Lanes::zero()) == 0xffff};
}

inline int select_lanes(const SelectLogitsArgs& args) {
  const Lanes least = Lanes::broadcast(args.least);
  const Lanes temperature = Lanes::broadcast(args.temperature);
  SamplingCandidate* next = args.candidates;
  for_each_part(args.size, [&](int first, auto part) {
    const Lanes x = part.load(args.logits + first);
    uint32_t bits = Lanes::at_least_bits(x, least) & ((1u << part.size()) - 1);
    if (bits == 0) return;
    float z[16];
    Lanes::div(x, temperature).store(z);
    for (; bits != 0; bits &= bits - 1) {
      const int lane = __builtin_ctz(bits);
      *next++ = {z[lane], first + lane};
    }
  });
  return static_cast<int>(next - args.candidates);
}

inline double total_weight_lanes(const float* logits, int size, float temperature, float best) {
  double sum[16] = {};
  for_each_part(size, [&](int i, auto part) {
    const Lanes z = Lanes::div(part.load(logits + i), Lanes::broadcast(temperature));
    float weight[16];
    part.blend(exp32_lanes(Lanes::sub(z, Lanes::broadcast(best))), Lanes::zero()).store(weight);
    for (int lane = 0; lane < 16; ++lane) sum[lane] += weight[lane];
  });
  double total = 0.0;
  for (const double each : sum) total += each;
  return total;
}

inline void exp_below_lanes(float* values, int count, float best) {
  for_each_part(count, [&](int i, auto part) {
    part.store(exp32_lanes(Lanes::sub(part.load(values + i), Lanes::broadcast(best))), values + i);
  });
}

/// The steps of philox4x32, a candidate a word.
inline void noise_words_lanes(const NoiseKey& key, const int32_t* ids, int count, uint32_t* words) {
  const Words position_low = Words::broadcast(static_cast<uint32_t>(key.position));
  const Words position_high = Words::broadcast(static_cast<uint32_t>(key.position >> 32));
  for (int i = 0; i < count; i += Words::kCount) {
    Words c0 = Words::load(ids + i), c1 = position_low, c2 = position_high, c3 = Words::broadcast(0);
    auto key_low = static_cast<uint32_t>(key.seed);
    auto key_high = static_cast<uint32_t>(key.seed >> 32);
    for (int round = 0; round < philox::kNumRounds; ++round) {
      const Words a = Words::multiply(c0, Words::broadcast(philox::kMultipliers[0]));
      const Words b = Words::multiply(c2, Words::broadcast(philox::kMultipliers[1]));
      c0 = Words::exclusive_or(b.high(), c1, Words::broadcast(key_low));
      c1 = b;
      c2 = Words::exclusive_or(a.high(), c3, Words::broadcast(key_high));
      c3 = a;
      key_low += philox::kKeySteps[0];
      key_high += philox::kKeySteps[1];
    }
    c0.store(words + i);
  }
}

constexpr LogitKernels kLogitKernelsOfLanes{find_peak_lanes, select_lanes, total_weight_lanes, exp_below_lanes,
                                            noise_words_lanes};

}  // namespace
}  // namespace switchyard
