// A radix sort from the lowest digit: three passes, where comparing takes log2(150 000) for such a vocabulary. Each pass keeps the order
// of equals, so that ids stay ascending among equal values.
#include "kernels/sampling/candidates.h"

#include <algorithm>
#include <array>
#include <bit>
#include <utility>

namespace switchyard {
namespace {

constexpr int kDigitBits = 11;
constexpr int kNumDigits = 3;
constexpr uint32_t kDigitMask = (1u << kDigitBits) - 1;

/// Below so many, counting digits takes longer than comparing.
constexpr size_t kRadixMin = 1000;

/// Ascending as the value descends; the same for both zeros, which are equal.
uint32_t key_of(float value) {
  const auto bits = std::bit_cast<uint32_t>(value + 0.0f);
  return bits >> 31 ? bits : ~(bits | 0x80000000u);
}

uint32_t digit_of(const SamplingCandidate& candidate, int place) {
  return key_of(candidate.value) >> (place * kDigitBits) & kDigitMask;
}

using Places = std::array<uint32_t, 1u << kDigitBits>;

/// Where the first candidate of each digit goes, by place of the digit.
std::array<Places, kNumDigits> first_places(std::span<const SamplingCandidate> candidates) {
  std::array<Places, kNumDigits> places{};
  for (const SamplingCandidate& each : candidates) {
    for (int place = 0; place < kNumDigits; ++place) ++places[place][digit_of(each, place)];
  }
  for (Places& of_digit : places) {
    uint32_t sum = 0;
    for (uint32_t& count : of_digit) sum += std::exchange(count, sum);
  }
  return places;
}

}  // namespace

std::span<SamplingCandidate> sort_candidates(std::span<SamplingCandidate> candidates, SamplingCandidate* spare) {
  if (candidates.size() < kRadixMin) {
    std::sort(candidates.begin(), candidates.end(), comes_first);
    return candidates;
  }
  std::array<Places, kNumDigits> places = first_places(candidates);
  std::span<SamplingCandidate> to(spare, candidates.size());
  for (int place = 0; place < kNumDigits; ++place) {
    for (const SamplingCandidate& each : candidates) to[places[place][digit_of(each, place)]++] = each;
    std::swap(candidates, to);
  }
  return candidates;
}

}  // namespace switchyard
