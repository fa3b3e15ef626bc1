#include "xccl/p2p/way_choice.h"

#include <algorithm>

namespace switchyard::xccl {

float WayChoice::Costs::median() const {
  const auto [a, b, c] = last;
  return std::max(std::min(a, b), std::min(std::max(a, b), c));
}

Way WayChoice::next() {
  if (num_tried_ >= kTrialMax) end_trial();
  if (num_tried_ == 0 && num_used_ < interval_) {
    ++num_used_;
    return used_;
  }
  ++num_tried_;
  return other(used_);
}

void WayChoice::note(Way way, float cost) {
  costs_[static_cast<size_t>(way)].add(cost);
  if (num_tried_ == 0) return compare();
  if (way != used_ && ++num_noted_ == kNumCosts) end_trial();
}

/// The next trial comes when this one's cost is a small share of what was sent since.
void WayChoice::end_trial() {
  const float used = costs(used_).median();
  const float tried = costs(other(used_)).median();
  // Before either is known both are 0: a receiver that never tells is not asked often.
  const bool is_known = used > 0 && tried > 0;
  const float num_lost = is_known ? static_cast<float>(num_tried_) * (tried / used - 1) : kIntervalMax;
  interval_ = static_cast<uint32_t>(std::clamp<float>(num_lost / kTrialShare, kIntervalMin, kIntervalMax));
  num_used_ = num_tried_ = num_noted_ = 0;
  compare();
}

void WayChoice::compare() {
  const Costs& tried = costs(other(used_));
  if (!tried.is_known() || !costs(used_).is_known()) return;
  if (tried.median() >= kClearly * costs(used_).median()) return;
  used_ = other(used_);
  // What was left may have been slow by chance.
  num_used_ = 0;
  interval_ = kIntervalMin;
}

}  // namespace switchyard::xccl
