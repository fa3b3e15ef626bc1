// Rotary embedding: the table of turns, and every form of turning by it against the reference.
#include "kernels/rope/rope.h"

#include <array>
#include <cmath>
#include <cstring>
#include <random>
#include <thread>
#include <vector>

#include "kernels/registry.h"
#include "kernels/rope/rope_table.h"
#include "test/test.h"

using namespace switchyard;

TEST(rope_turns_pairs_by_position_times_frequency) {
  const RopeTable table(100, {.rotary_dim = 4});
  float x[4] = {1.0f, 0.0f, 0.0f, 2.0f};
  table.rotate(50, x, 1, 4);
  CHECK(std::fabs(x[0] - std::cos(50.0)) < 1e-6 && std::fabs(x[1] - std::sin(50.0)) < 1e-6);
  CHECK(std::fabs(x[2] + 2.0 * std::sin(0.5)) < 1e-6 && std::fabs(x[3] - 2.0 * std::cos(0.5)) < 1e-6);
}

TEST(rope_of_halves_turns_element_i_with_element_i_plus_half) {
  const RopeTable table(100, {.rotary_dim = 4, .is_interleaved = false});
  float x[4] = {1.0f, 0.0f, 0.0f, 2.0f};
  table.rotate(50, x, 1, 4);
  CHECK(std::fabs(x[0] - std::cos(50.0)) < 1e-6 && std::fabs(x[2] - std::sin(50.0)) < 1e-6);
  CHECK(std::fabs(x[1] + 2.0 * std::sin(0.5)) < 1e-6 && std::fabs(x[3] - 2.0 * std::cos(0.5)) < 1e-6);
}

TEST(rope_turns_each_position_the_same_whoever_comes_first) {
  constexpr int kPositions = 203;
  constexpr int kThreads = 3;
  const RopeShape shape{.rotary_dim = 6, .scaling = RopeScaling::kDynamic, .factor = 4.0, .original_max_positions = 37};
  const RopeTable in_order(kPositions, shape);
  const RopeTable shared(kPositions, shape);
  const auto turned = [](const RopeTable& table, int position) {
    std::array<float, 6> x = {1.0f, 2.0f, 3.0f, 4.0f, 5.0f, 6.0f};
    table.rotate(position, x.data(), 1, 6);
    return x;
  };
  std::vector<std::thread> threads;
  std::vector<std::vector<std::array<float, 6>>> seen(kThreads);
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int i = 0; i < kPositions; ++i)
        seen[t].push_back(turned(shared, (kPositions - 1 - i + 64 * t) % kPositions));
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (int i = 0; i < kPositions; ++i) {
    for (int t = 0; t < kThreads; ++t)
      CHECK(seen[t][i] == turned(in_order, (kPositions - 1 - i + 64 * t) % kPositions));
  }
  // What the page of positions 32 to 47 has on either side of the 37th.
  CHECK(turned(in_order, 36) == turned(RopeTable(kPositions, {.rotary_dim = 6}), 36));
  CHECK(turned(in_order, 37) != turned(RopeTable(kPositions, {.rotary_dim = 6}), 37));
}

TEST(rope_frequencies_are_scaled_as_the_model_says) {
  const auto of = [](const RopeShape& shape, int position) { return rope_frequencies(shape, position, {2.0f, 4.0f}); };
  RopeShape shape{.rotary_dim = 4, .scaling = RopeScaling::kLinear, .factor = 4.0, .original_max_positions = 100};
  CHECK(of(shape, 0) == (std::vector<float>{0.25f, 0.0025f}));
  shape.scaling = RopeScaling::kTensor;
  CHECK(of(shape, 0) == (std::vector<float>{0.5f, 0.0025f}));
  // theta * (4 * 200 / 100 - 3)^2
  shape.scaling = RopeScaling::kDynamic;
  CHECK(of(shape, 99)[1] == 0.01f && std::fabs(of(shape, 199)[1] - 0.002f) < 1e-9f);
  // Waves of 6.3 and 628 positions: above 100 / 4 and below 100 / 1 nothing lies.
  shape.scaling = RopeScaling::kLlama3;
  CHECK(of(shape, 0) == (std::vector<float>{1.0f, 0.0025f}));
  shape.scaling = RopeScaling::kYarn;
  CHECK(of(shape, 0)[0] == 1.0f && of(shape, 0)[1] == 0.0025f);
}

TEST(rope_has_the_bits_of_its_reference) {
  std::mt19937_64 random(test::seed());
  std::normal_distribution<float> normal(0.0f, 3.0f);
  const auto number = [&] { return random() % 9 == 0 ? std::copysign(0.0f, normal(random)) : normal(random); };
  for (const bool is_interleaved : {true, false}) {
    for (const int rotary_dim : {2, 6, 16, 20, 30, 32, 48, 64, 74, 128}) {
      for (const int num_heads : {1, 3}) {
        const size_t stride = num_heads == 1 ? 0 : rotary_dim + 5;
        std::vector<float> turns(rotary_dim), x(num_heads * stride + rotary_dim);
        for (float& each : turns) each = number();
        for (float& each : x) each = number();
        std::vector<float> expected = x;
        rope_ref({turns.data(), expected.data(), stride, num_heads, rotary_dim, is_interleaved});
        for (const Isa isa : available_isas()) {
          std::vector<float> y = x;
          kernels_of(isa).rope({turns.data(), y.data(), stride, num_heads, rotary_dim, is_interleaved});
          CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0);
        }
      }
    }
  }
}
