// WayChoice: which of two ways the messages of one kind go, by what the last of either took: the better one, the other tried again
// rarely, since its cost changes with what the ranks do with their messages. The rule alone: no clock, no shared memory. PeerWays feeds
// it; whatever costs it is told, the worst that follows is the slower way.
//
//   using ──interval over──> trying the other: three timed messages ──better by a tenth──> using that
//     └──its own cost rose above what the other last took──> using that        └──else──> using as before
//
// Three, and the median of them: the first message after many that went the other way finds cold caches, and a thread that lost its core
// in the middle of a copy says nothing about the way.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace switchyard::xccl {

/// kPlain: through the ring; a region copied by its receiver alone. kSpecial: offered; a region copied by two threads.
enum class Way : uint8_t { kPlain, kSpecial };

class WayChoice {
 public:
  /// Costs of one way that count: the last ones.
  static constexpr uint32_t kNumCosts = 3;
  /// The other way is taken when it costs less than this of the used one.
  static constexpr float kClearly = 0.9f;
  /// What trials may cost of the time of all messages.
  static constexpr float kTrialShare = 0.02f;
  /// Messages from one trial to the next.
  static constexpr uint32_t kIntervalMin = 64;
  static constexpr uint32_t kIntervalMax = 4096;
  /// Messages after which a trial ends, though not all that was to be timed was.
  static constexpr uint32_t kTrialMax = 8;
  /// One message of so many is timed outside trials.
  static constexpr uint32_t kTimedEvery = 8;

  explicit WayChoice(Way first = Way::kPlain) : used_(first) {}

  /// Of the next message.
  Way next();
  /// Should the message be timed that next() was last asked for?
  bool is_timed() const { return num_tried_ > 0 || num_used_ % kTimedEvery == 0 || costs(used_).num_known < kNumCosts; }
  /// What a timed message took; any unit, the same for both ways.
  void note(Way way, float cost);

 private:
  struct Costs {
    std::array<float, kNumCosts> last{};
    uint32_t num_known = 0;  // ever

    void add(float cost) { last[num_known++ % kNumCosts] = cost; }
    bool is_known() const { return num_known >= kNumCosts; }
    float median() const;
  };

  static Way other(Way way) { return way == Way::kPlain ? Way::kSpecial : Way::kPlain; }
  const Costs& costs(Way way) const { return costs_[static_cast<size_t>(way)]; }
  void end_trial();
  void compare();

  std::array<Costs, 2> costs_;
  Way used_;
  uint32_t num_used_ = 0;          // messages since the last trial
  uint32_t interval_ = kNumCosts;  // after so many comes the next
  uint32_t num_tried_ = 0;         // messages of the trial under way
  uint32_t num_noted_ = 0;         // and how many of these were timed
};

}  // namespace switchyard::xccl
