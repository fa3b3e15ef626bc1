// The rule by which bound workers leave held cores, with invented loads.
#include "xccl/wait/core_choice.h"

#include <vector>

#include "test/test.h"

namespace {

using namespace switchyard::xccl;

constexpr double kHog = 0.5;

/// A worker whose moves all succeed.
struct Mover {
  CoreChoice choice;

  uint32_t run(const std::vector<CoreLoad>& loads, uint32_t num_windows = 1) {
    for (uint32_t i = 0; i < num_windows; ++i) {
      const uint32_t core = choice.next(loads);
      if (core != choice.core()) choice.note_move(core);
    }
    return choice.core();
  }
};

Mover worker_of(uint32_t home, bool may_share = true) { return {CoreChoice(home, may_share)}; }

}  // namespace

TEST(xccl_core_choice_leaves_a_held_core_and_comes_back) {
  Mover worker = worker_of(1);
  CHECK(worker.run({{0, 0.0, 2}, {1, kHog, 2}}, kNumHeldWindows - 1) == 1);
  CHECK(worker.run({{0, 0.0, 2}, {1, kHog, 2}}) == 0);
  // The hog has its core to itself now.
  CHECK(worker.run({{0, 0.0, 4}, {1, 1.0, 0}}, 1000) == 0);
  CHECK(worker.run({{0, 0.0, 4}, {1, 0.0, 0}}, kNumFreeWindows - 1) == 0);
  CHECK(worker.run({{0, 0.0, 4}, {1, 0.0, 0}}) == 1);
}

TEST(xccl_core_choice_stays_for_what_is_short_or_little) {
  Mover worker = worker_of(0);
  for (int i = 0; i < 100; ++i) {
    CHECK(worker.run({{0, 1.0, 1}, {1, 0.0, 0}}) == 0);
    CHECK(worker.run({{0, kHeldShare, 1}, {1, 0.0, 0}}) == 0);
  }
  // What ranks do makes no core held, and where nothing is known nobody moves.
  CHECK(worker.run({{0, 0.0, 9}, {1, 0.0, 0}}, 100) == 0);
  CHECK(worker.run({{0, {}, 1}, {1, 0.0, 0}}, 100) == 0);
  CHECK(worker.run({{1, 0.0, 0}}, 100) == 0 && worker.run({}, 100) == 0);
}

TEST(xccl_core_choice_takes_a_free_core_with_the_fewest_ranks) {
  const CoreLoad held{3, kHog, 2};
  CHECK(worker_of(3).run({{7, 0.0, 2}, {5, 0.05, 1}, {6, 0.0, 1}, held}, kNumHeldWindows) == 5);
  CHECK(worker_of(3).run({{5, kFreeShare, 0}, {6, 0.0, 9}, held}, kNumHeldWindows) == 6);
  CHECK(worker_of(3).run({{5, {}, 0}, {6, kFreeShare, 0}, held}, 100) == 3);
}

TEST(xccl_core_choice_keeps_workers_that_wait_for_each_other_apart) {
  const CoreLoad held{3, kHog, 1};
  CHECK(worker_of(3, false).run({{4, 0.0, 1}, held}, 100) == 3);
  CHECK(worker_of(3, false).run({{4, 0.0, 1}, {5, 0.0, 0}, held}, kNumHeldWindows) == 5);
}

TEST(xccl_core_choice_does_not_flap) {
  Mover worker = worker_of(1);
  uint32_t num_moves = 0;
  // Work that follows the worker wherever it goes, and is gone from where it was.
  for (uint32_t window = 0, last = 1; window < 120; ++window) {
    const bool is_home = worker.choice.core() == 1;
    const uint32_t now = worker.run({{0, is_home ? 0.0 : kHog, 1}, {1, is_home ? kHog : 0.0, 1}});
    num_moves += now != last;
    last = now;
  }
  CHECK(num_moves == 120 / kNumHeldWindows);
  // Work that comes and goes at home, for less than it takes to go back.
  num_moves = 0;
  for (uint32_t window = 0, last = worker.choice.core(); window < 1000; ++window) {
    const bool is_there = window / (kNumFreeWindows - 1) % 2 == 0;
    const uint32_t now = worker.run({{0, 0.0, 1}, {1, is_there ? kHog : 0.0, 1}});
    num_moves += now != last;
    last = now;
  }
  CHECK(num_moves <= 1 && worker.choice.core() == 0);
}

TEST(xccl_core_choice_flees_from_its_refuge_too) {
  Mover worker = worker_of(0);
  CHECK(worker.run({{0, kHog, 1}, {1, 0.0, 1}, {2, 0.0, 2}}, kNumHeldWindows) == 1);
  CHECK(worker.run({{0, 1.0, 0}, {1, kHog, 1}, {2, 0.0, 2}}, kNumHeldWindows) == 2);
  CHECK(worker.run({{0, 0.0, 0}, {1, 1.0, 0}, {2, kHog, 2}}, kNumHeldWindows) == 0);
}
