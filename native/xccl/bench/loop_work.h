// The calibrated work of the A2E/E2A loop cases and of the colocated one that they are compared with (anchors.md's spike, "What
// the split costs"): a step of batch 8 has one dense layer of 35 us and four MoE layers of 20 us attention and 15 us expert work.
// A rank with a share of the batch or of the pairs does that share. Pure arithmetic in registers: neither caches nor memory
// bandwidth nor the other core change its time.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>

namespace switchyard::xccl::bench {

inline constexpr uint32_t kLoopBatch = 8;
inline constexpr uint32_t kLoopHidden = 192;
inline constexpr uint32_t kLoopNumDenseLayers = 1;
inline constexpr uint32_t kLoopNumMoeLayers = 4;
inline constexpr double kLoopDenseUs = 35;
inline constexpr double kLoopAttentionUs = 20;
inline constexpr double kLoopExpertUs = 15;

/// A chain of dependent multiplications.
inline void loop_spin(uint64_t num_iterations) {
  uint64_t state = 1;
  for (uint64_t i = 0; i < num_iterations; ++i) {
    state = state * 6364136223846793005ull + 1442695040888963407ull;
    asm volatile("" : "+r"(state));
  }
}

/// Made once by the parent, before it forks: all ranks do the same number of iterations, whatever core they are on.
class LoopWork {
 public:
  LoopWork() {
    constexpr uint64_t kNumIterations = 200'000;
    double us_min = 1e9;  // the quickest of the rounds: the others were interrupted
    for (int round = 0; round < 100; ++round) {
      const auto start = std::chrono::steady_clock::now();
      loop_spin(kNumIterations);
      const std::chrono::duration<double, std::micro> span = std::chrono::steady_clock::now() - start;
      us_min = std::min(us_min, span.count());
    }
    iterations_per_us_ = kNumIterations / us_min;
  }

  void dense(double share) const { spend(kLoopDenseUs * share); }
  void attention(double share) const { spend(kLoopAttentionUs * share); }
  void expert(double share) const { spend(kLoopExpertUs * share); }
  double iterations_per_us() const { return iterations_per_us_; }

 private:
  void spend(double us) const { loop_spin(static_cast<uint64_t>(us * iterations_per_us_ + 0.5)); }

  double iterations_per_us_;
};

}  // namespace switchyard::xccl::bench
