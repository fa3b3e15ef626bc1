// Every form of the INT8 product against the definition, bit by bit, over odd sizes and the largest numbers.
#include "kernels/product_int8/product_int8.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/quantize_row.h"
#include "kernels/product/test_support.h"
#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

using Random = std::mt19937_64;

/// Weights and activations of one product, packed.
struct Case {
  Case(int num_rows, int num_columns, int num_tokens)
      : num_rows(num_rows),
        num_columns(num_columns),
        num_tokens(num_tokens),
        weights(static_cast<size_t>(num_rows) * num_columns),
        scales(num_rows),
        x(static_cast<size_t>(num_tokens) * num_columns) {}

  void fill(Random& random) {
    std::uniform_int_distribution<int> byte(-128, 127);
    std::normal_distribution<float> normal;
    for (int8_t& w : weights) w = static_cast<int8_t>(byte(random));
    for (float& s : scales) s = normal(random) * 0.01f;
    for (float& v : x) v = normal(random);
  }

  PackedMatrix packed() const {
    PackedMatrix w(num_rows, num_columns, PackedType::kInt8);
    // In two parts, as gate and up are.
    const int half = num_rows / 2;
    w.set_int8_rows(0, half, weights.data(), scales.data());
    w.set_int8_rows(half, num_rows - half, weights.data() + static_cast<size_t>(half) * num_columns, &scales[half]);
    return w;
  }

  /// docs/numerics.md, "INT8 products", without any layout: [num_tokens][num_rows].
  std::vector<float> expected() const {
    std::vector<float> y;
    std::vector<int8_t> q(num_columns);
    for (int t = 0; t < num_tokens; ++t) {
      const float scale = quantize_kernels_of(Isa::kScalar).from_f32(&x[t * num_columns], num_columns, q.data());
      for (int row = 0; row < num_rows; ++row) {
        int64_t sum = 0;
        for (int k = 0; k < num_columns; ++k) sum += weights[static_cast<size_t>(row) * num_columns + k] * q[k];
        y.push_back(static_cast<float>(sum) * (scales[row] * scale));
      }
    }
    return y;
  }

  int num_rows;
  int num_columns;
  int num_tokens;
  std::vector<int8_t> weights;  // [num_rows][num_columns]
  std::vector<float> scales;    // [num_rows]
  std::vector<float> x;         // [num_tokens][num_columns]
};

/// [num_tokens][num_rows + gap]; the gap shows a store too many.
std::vector<float> run(const KernelTable& table, const PackedMatrix& w, const Case& c, int gap) {
  Int8Activations x;
  x.resize(c.num_columns, c.num_tokens);
  x.quantize(c.x.data(), c.num_columns, 0, c.num_tokens);
  const size_t stride = c.num_rows + gap;
  std::vector<float> y(stride * c.num_tokens, kGapValue);
  table.product_int8({static_cast<const uint8_t*>(w.data()), w.scales(), c.num_rows, int8_num_quads(c.num_columns),
                      x.values(), x.rows(), y.data(), stride, c.num_tokens});
  return y;
}

void check_every_form(const Case& c) {
  const PackedMatrix w = c.packed();
  const std::vector<float> expected = c.expected();
  for (const Isa isa : available_isas()) CHECK(has_bits(run(kernels_of(isa), w, c, 5), expected, c.num_rows, 5));
}

TEST(product_int8_has_the_bits_of_its_definition_over_odd_sizes) {
  Random random(test::seed());
  for (const int rows : {1, 15, 16, 17, 64, 131}) {
    for (const int columns : {1, 3, 4, 39, 64, 130, 517}) {
      for (const int tokens : {1, 2, 3, 5, 8, 15, 33}) {
        Case c(rows, columns, tokens);
        c.fill(random);
        check_every_form(c);
      }
    }
  }
}

TEST(product_int8_of_random_shapes_has_the_bits_of_its_definition) {
  Random random(test::seed());
  for (int i = 0; i < 60; ++i) {
    Case c(1 + static_cast<int>(random() % 200), 1 + static_cast<int>(random() % 300),
           1 + static_cast<int>(random() % 20));
    c.fill(random);
    check_every_form(c);
  }
}

TEST(product_int8_is_exact_where_sums_are_largest) {
  for (const int8_t weight : {int8_t{-128}, int8_t{127}}) {
    for (const float sign : {1.0f, -1.0f}) {
      for (const int tokens : {2, 5}) {
        Case c(17, kInt8ColumnsMax, tokens);
        std::fill(c.weights.begin(), c.weights.end(), weight);
        std::fill(c.scales.begin(), c.scales.end(), 1.0f);
        std::fill(c.x.begin(), c.x.end(), sign * 127.0f);
        check_every_form(c);
      }
    }
  }
}

TEST(product_int8_of_rows_of_zeros_and_with_a_nan) {
  Random random(test::seed());
  Case c(20, 33, 3);
  c.fill(random);
  std::fill_n(c.x.begin(), 33, 0.0f);
  c.x[33 + 7] = std::numeric_limits<float>::quiet_NaN();
  const PackedMatrix w = c.packed();
  for (const Isa isa : available_isas()) {
    const std::vector<float> y = run(kernels_of(isa), w, c, 0);
    for (int row = 0; row < 20; ++row) CHECK(y[row] == 0.0f && std::isnan(y[20 + row]) && std::isfinite(y[40 + row]));
  }
}

TEST(product_takes_int8_weights_and_gives_a_row_what_it_gets_in_a_batch) {
  Random random(test::seed());
  Case c(50, 41, 23);
  c.fill(random);
  const PackedMatrix w = c.packed();
  std::vector<float> batch(23 * 50);
  product(w, c.x.data(), 41, batch.data(), 50, 23, 4);
  const std::vector<float> expected = c.expected();
  CHECK(std::memcmp(batch.data(), expected.data(), batch.size() * sizeof(float)) == 0);
  for (int t = 0; t < 23; ++t) {
    std::vector<float> one(50);
    product(w, &c.x[t * 41], 41, one.data(), 50, 1);
    CHECK(std::memcmp(one.data(), &batch[t * 50], sizeof(float) * 50) == 0);
  }
}

TEST(a_range_of_groups_is_a_product_of_its_own) {
  Random random(test::seed());
  Case c(75, 30, 3);
  c.fill(random);
  const PackedMatrix w = c.packed();
  const std::vector<float> expected = c.expected();
  Int8Activations x;
  x.resize(30, 3);
  x.quantize(c.x.data(), 30, 0, 3);
  const size_t group_bytes = int8_num_quads(30) * kInt8GroupRows * kInt8QuadColumns;
  for (const Isa isa : available_isas()) {
    std::vector<float> y(75 * 3);
    for (const auto& [first, end] : {std::pair{0, 2}, std::pair{2, 5}}) {
      const int row = first * kInt8GroupRows;
      kernels_of(isa).product_int8({static_cast<const uint8_t*>(w.data()) + first * group_bytes, w.scales() + row,
                                    std::min(75, end * kInt8GroupRows) - row, int8_num_quads(30), x.values(), x.rows(),
                                    &y[row], 75, 3});
    }
    CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0);
  }
}

TEST(rows_that_came_as_int8_are_the_activations_made_here) {
  Random random(test::seed());
  for (const int num_columns : {1, 7, 30, 64}) {
    Case c(3, num_columns, 4);
    c.fill(random);
    Int8Activations made, came;
    made.resize(num_columns, 4);
    made.quantize(c.x.data(), num_columns, 0, 4);
    came.resize(num_columns, 4);
    std::vector<std::byte> row(int8_row_bytes(num_columns));
    for (int t = 0; t < 4; ++t) {
      store_int8_row(quantize_kernels(), &c.x[t * num_columns], num_columns, row.data());
      came.set_row(t, row.data());
      CHECK(came.rows()[t].scale == made.rows()[t].scale && came.rows()[t].sum == made.rows()[t].sum);
    }
    const size_t num_bytes = 4 * int8_num_quads(num_columns) * kInt8QuadColumns;
    CHECK(std::memcmp(came.values(), made.values(), num_bytes) == 0);
  }
}

}  // namespace
