// The rule by which messages choose their way, with invented costs: no clock, no messenger.
#include "xccl/p2p/way_choice.h"

#include <algorithm>
#include <optional>

#include "xccl/test_support.h"

namespace {

using namespace switchyard::xccl;
using switchyard::xccl::testing::Random;
namespace test = switchyard::test;

/// Two ways and what they cost. Every cost is some percent off, the first message after one that went the other way takes twice as long,
/// and now and then a thread loses its core in the middle.
struct World {
  std::array<double, 2> costs{};
  double outlier_share = 0;
  uint32_t delay = 0;  // messages until a timed one is told of; none is timed meanwhile

  double cost_of(Way way) const { return costs[static_cast<size_t>(way)]; }
  Way better() const { return costs[0] <= costs[1] ? Way::kPlain : Way::kSpecial; }
};

class Sending {
 public:
  Sending(uint64_t seed, Way first) : random_(seed), choice_(first) {}

  void send(const World& world) {
    if (timed_ && num_sent_ >= timed_->told_at) {
      choice_.note(timed_->way, static_cast<float>(timed_->cost));
      timed_.reset();
    }
    const Way way = choice_.next();
    double cost = world.cost_of(way) * (0.95 + 0.1 * fraction());
    if (way != last_) cost *= 2;
    if (fraction() < world.outlier_share) cost *= 1000;
    if (!timed_ && choice_.is_timed()) timed_ = {way, cost, num_sent_ + 1 + world.delay};
    last_ = way;
    ++num_sent_;
    num_worse_ += way != world.better() ? 1 : 0;
    lost_ += world.cost_of(way) / world.cost_of(world.better()) - 1;
  }
  /// Messages sent until `num_in_a_row` go the better way; at most `limit`.
  uint32_t num_until_better(const World& world, uint32_t limit, uint32_t num_in_a_row = 16) {
    uint32_t num_right = 0;
    for (uint32_t i = 1; i <= limit; ++i) {
      send(world);
      num_right = last_ == world.better() ? num_right + 1 : 0;
      if (num_right == num_in_a_row) return i - num_in_a_row;
    }
    return limit;
  }
  void forget_losses() { lost_ = num_sent_ = num_worse_ = 0; }
  double lost_share() const { return lost_ / num_sent_; }
  double worse_share() const { return static_cast<double>(num_worse_) / num_sent_; }

 private:
  struct Timed {
    Way way;
    double cost;
    uint32_t told_at;
  };

  double fraction() { return static_cast<double>(random_.below(1 << 20)) / (1 << 20); }

  Random random_;
  WayChoice choice_;
  Way last_ = Way::kPlain;
  std::optional<Timed> timed_;
  uint32_t num_sent_ = 0;
  uint32_t num_worse_ = 0;
  double lost_ = 0;
};

World random_world(Random& random) {
  World world;
  const double ratio = 1.3 + static_cast<double>(random.below(400)) / 100;
  const bool is_first_better = random.below(2) == 0;
  world.costs = {is_first_better ? 1 : ratio, is_first_better ? ratio : 1};
  world.delay = static_cast<uint32_t>(random.below(3));
  return world;
}

Way random_way(Random& random) { return random.below(2) == 0 ? Way::kPlain : Way::kSpecial; }

}  // namespace

TEST(xccl_way_choice_finds_the_better_way_and_pays_little_for_trials) {
  Random random(test::seed());
  for (int round = 0; round < 200; ++round) {
    const World world = random_world(random);
    Sending sending(random.next(), random_way(random));
    CHECK(sending.num_until_better(world, 1000) <= 80);
    sending.forget_losses();
    for (int i = 0; i < 40'000; ++i) sending.send(world);
    CHECK(sending.lost_share() <= 1.1 * WayChoice::kTrialShare);
    CHECK(sending.worse_share() > 0);
  }
}

TEST(xccl_way_choice_follows_costs_that_change) {
  Random random(test::seed());
  for (int round = 0; round < 200; ++round) {
    const World world = random_world(random);
    Sending sending(random.next(), random_way(random));
    for (uint64_t i = 0, end = 1000 + random.below(5000); i < end; ++i) sending.send(world);
    // Its own way has become slow: that shows at once. Only its timed messages tell.
    World worse = world;
    worse.costs[static_cast<size_t>(world.better())] = 10;
    CHECK(sending.num_until_better(worse, 10'000) <= 4 * WayChoice::kTimedEvery + WayChoice::kTrialMax);
    // The other one has become quick: a trial has to come.
    World again = world;
    std::swap(again.costs[0], again.costs[1]);
    for (uint64_t i = 0, end = 1000 + random.below(5000); i < end; ++i) sending.send(again);
    World quicker = again;
    quicker.costs[static_cast<size_t>(again.better())] = 1;
    quicker.costs[1 - static_cast<size_t>(again.better())] = 0.4;
    CHECK(sending.num_until_better(quicker, 10'000) <= WayChoice::kIntervalMax + 3 * WayChoice::kTrialMax);
  }
}

TEST(xccl_way_choice_is_not_misled_by_threads_that_lose_their_core) {
  Random random(test::seed());
  for (int round = 0; round < 50; ++round) {
    World world = random_world(random);
    world.outlier_share = 0.01;
    Sending sending(random.next(), random_way(random));
    (void)sending.num_until_better(world, 10'000);
    sending.forget_losses();
    for (int i = 0; i < 100'000; ++i) sending.send(world);
    CHECK(sending.worse_share() <= 0.1);
    // One alone changes nothing, in whichever of the timed messages it comes.
    WayChoice choice;
    for (int i = 0; i < 1000; ++i) {
      const Way way = choice.next();
      if (choice.is_timed()) choice.note(way, way == Way::kSpecial ? 1 : 2);
    }
    choice.note(Way::kSpecial, 4000);
    CHECK(choice.next() == Way::kSpecial);
  }
}

TEST(xccl_way_choice_asks_rarely_who_never_tells) {
  for (const Way first : {Way::kPlain, Way::kSpecial}) {
    WayChoice choice(first);
    uint32_t num_others = 0;
    for (uint32_t i = 0; i < 100'000; ++i) num_others += choice.next() != first ? 1 : 0;
    CHECK(num_others > 0 && num_others < 100'000 / 400);
  }
}

TEST(xccl_way_choice_takes_any_cost) {
  Random random(test::seed());
  WayChoice choice;
  for (uint32_t i = 0; i < 100'000; ++i) {
    (void)choice.next();
    const float cost =
        random.below(4) == 0 ? 0.0f : static_cast<float>(random.next()) / static_cast<float>(random.below(3) + 1);
    if (choice.is_timed()) choice.note(random_way(random), cost);
  }
}
