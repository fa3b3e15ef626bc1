// Every form of the bf16 product against the reference, bit by bit, over odd sizes and where numbers are denormal.
#include "kernels/product_bf16/product_bf16.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <vector>

#include "base/quantize_row.h"
#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

using Random = std::mt19937_64;

std::vector<float> normal_floats(Random& random, size_t count, float scale) {
  std::normal_distribution<float> normal(0.0f, scale);
  std::vector<float> values(count);
  for (float& v : values) v = normal(random);
  return values;
}

PackedMatrix pack(const std::vector<float>& weights, int num_rows, int num_columns) {
  std::vector<uint16_t> bits;
  for (const float w : weights) bits.push_back(float_to_bf16(w));
  PackedMatrix matrix(num_rows, num_columns, PackedType::kBf16Pairs);
  matrix.set_rows(0, num_rows, bits.data(), Dtype::kBf16, num_columns, 1);
  return matrix;
}

/// [num_tokens][num_rows + gap]; the gap shows a store too many.
std::vector<float> run(void (*kernel)(const Bf16ProductArgs&), const PackedMatrix& w, const std::vector<float>& x,
                       int num_tokens, int num_slices, int gap) {
  Bf16Activations activations;
  activations.resize(w.num_columns(), num_tokens);
  activations.round(x.data(), w.num_columns(), 0, num_tokens);
  const size_t stride = w.num_rows() + gap;
  std::vector<float> y(num_tokens * stride, 7.0f);
  kernel({w.data(), w.num_rows(), bf16_num_pairs(w.num_columns()), num_slices, activations.pairs(), y.data(), stride,
          num_tokens});
  return y;
}

void check_every_form(const PackedMatrix& w, const std::vector<float>& x, int num_tokens, int num_slices) {
  const std::vector<float> expected = run(product_bf16_ref, w, x, num_tokens, num_slices, 5);
  for (const Isa isa : available_isas()) {
    const std::vector<float> y = run(kernels_of(isa).product_bf16, w, x, num_tokens, num_slices, 5);
    CHECK(std::memcmp(y.data(), expected.data(), y.size() * sizeof(float)) == 0);
  }
}

TEST(product_bf16_has_the_bits_of_its_reference_over_odd_sizes) {
  Random random(test::seed());
  for (const int rows : {1, 15, 16, 17, 80, 131}) {
    for (const int columns : {1, 2, 15, 16, 48}) {
      const PackedMatrix w = pack(normal_floats(random, rows * columns, 1.0f), rows, columns);
      for (const int tokens : {1, 2, 3, 5, 12, 13, 33}) {
        const auto x = normal_floats(random, tokens * columns, 1.0f);
        for (const int slices : {1, 2, 4, 8}) {
          if (bf16_num_pairs(columns) % slices == 0) check_every_form(w, x, tokens, slices);
        }
      }
    }
  }
}

TEST(product_bf16_takes_denormals_for_zero) {
  Random random(test::seed());
  constexpr int kRows = 33, kColumns = 30, kTokens = 9;
  for (const float scale : {0x1p-62f, 0x1p-63f, 0x1p-64f, 0x1p-70f, 0x1p-126f}) {
    const PackedMatrix w = pack(normal_floats(random, kRows * kColumns, scale), kRows, kColumns);
    check_every_form(w, normal_floats(random, kTokens * kColumns, 0x1p-126f / scale), kTokens, 1);
    check_every_form(w, normal_floats(random, kTokens * kColumns, scale), kTokens, 1);
  }
}

/// 2^-126 - 2^-150 is nearer to 2^-126 than to any other number of fp32, but is below it.
TEST(product_bf16_drops_a_result_that_only_rounding_would_save) {
  const PackedMatrix w = pack({-0x1p-75f, 0x1p-63f}, 1, 2);
  const std::vector<float> x{0x1p-75f, 0x1p-63f};
  for (const Isa isa : available_isas()) CHECK(run(kernels_of(isa).product_bf16, w, x, 1, 1, 0)[0] == 0.0f);
}

TEST(product_bf16_of_a_nan_is_one_in_its_row_alone) {
  const PackedMatrix w = pack(std::vector<float>(40, 1.0f), 4, 10);
  std::vector<float> x(20, 1.0f);
  x[3] = std::numeric_limits<float>::quiet_NaN();
  for (const Isa isa : available_isas()) {
    const std::vector<float> y = run(kernels_of(isa).product_bf16, w, x, 2, 1, 0);
    for (int row = 0; row < 4; ++row) CHECK(std::isnan(y[row]) && y[4 + row] == 10.0f);
  }
}

TEST(product_takes_bf16_pairs_and_cuts_them_between_pairs_only) {
  Random random(test::seed());
  for (const int columns : {32, 24, 15}) {  // slices of 8, of 6, and of an odd number
    const PackedMatrix w = pack(normal_floats(random, 50 * columns, 1.0f), 50, columns);
    const auto x = normal_floats(random, 23 * columns, 1.0f);
    const int num_slices = columns == 15 ? 5 : 4;
    std::vector<float> batch(23 * 50);
    product(w, x.data(), columns, batch.data(), 50, 23, num_slices);
    CHECK(batch == run(product_bf16_ref, w, x, 23, columns == 15 ? 1 : num_slices, 0));
    for (int t = 0; t < 23; ++t) {
      std::vector<float> one(50);
      product(w, &x[t * columns], columns, one.data(), 50, 1, num_slices);
      CHECK(std::memcmp(one.data(), &batch[t * 50], sizeof(float) * 50) == 0);
    }
  }
}

}  // namespace
