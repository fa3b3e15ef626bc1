// Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", 2011): a counter-based generator, so that the noise of a
// token is a function of (seed, position, token id) and no state has to travel with a sequence. Called by the sampler.
#pragma once

#include <array>
#include <cstdint>

namespace switchyard {

namespace philox {

inline constexpr int kNumRounds = 10;
inline constexpr uint32_t kMultipliers[2] = {0xD2511F53u, 0xCD9E8D57u};
inline constexpr uint32_t kKeySteps[2] = {0x9E3779B9u, 0xBB67AE85u};

}  // namespace philox

inline std::array<uint32_t, 4> philox4x32(std::array<uint32_t, 4> counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < philox::kNumRounds; ++round) {
    const uint64_t a = uint64_t{philox::kMultipliers[0]} * counter[0];
    const uint64_t b = uint64_t{philox::kMultipliers[1]} * counter[2];
    counter = {static_cast<uint32_t>(b >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(b),
               static_cast<uint32_t>(a >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(a)};
    key[0] += philox::kKeySteps[0];
    key[1] += philox::kKeySteps[1];
  }
  return counter;
}

}  // namespace switchyard
