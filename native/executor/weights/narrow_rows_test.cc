// INT8 rows for checkpoints: no weight further than half a scale from its value, ties to even, and rows that have no scale.
#include "executor/weights/narrow_rows.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>

#include "base/quantize_row.h"
#include "test/test.h"

using namespace switchyard;
using namespace switchyard::executor;

namespace {

/// A matrix of fp32 that lives in the vector.
StoredTensor matrix_of(const std::vector<float>& values, int64_t num_rows) {
  StoredTensor matrix;
  matrix.data = reinterpret_cast<const std::byte*>(values.data());
  matrix.bytes = values.size() * sizeof(float);
  matrix.type = StoredType::kF32;
  matrix.shape = {num_rows, static_cast<int64_t>(values.size()) / num_rows};
  return matrix;
}

struct Quantized {
  std::vector<int8_t> values;
  std::vector<float> scales;
};

Status quantize(const std::vector<float>& row, ScaleType type, Quantized* out) {
  out->values.assign(row.size(), 99);
  out->scales.assign(1, -1);
  return quantize_rows(matrix_of(row, 1), 0, 1, type, out->values.data(), out->scales.data());
}

}  // namespace

TEST(quantized_weights_are_within_half_a_scale) {
  std::mt19937_64 random(test::seed());
  std::normal_distribution<float> normal;
  for (const ScaleType type : {ScaleType::kBf16, ScaleType::kF32}) {
    for (int round = 0; round < 300; ++round) {
      std::vector<float> row(1 + random() % 67);
      const float size = std::ldexp(1.0f, static_cast<int>(random() % 160) - 80);
      for (float& value : row) value = normal(random) * size;
      Quantized quantized;
      REQUIRE(quantize(row, type, &quantized).ok());
      const double scale = quantized.scales[0];
      int largest = 0;
      for (size_t i = 0; i < row.size(); ++i) {
        // The quotient is rounded before it is rounded to a whole number: half a unit of 127 more.
        CHECK(std::abs(row[i] - quantized.values[i] * scale) <= scale * (0.5 + 0x1p-17));
        largest = std::max(largest, std::abs(static_cast<int>(quantized.values[i])));
      }
      CHECK(largest == 127);
      if (type == ScaleType::kBf16) CHECK((std::bit_cast<uint32_t>(quantized.scales[0]) & 0xffffu) == 0);
    }
  }
}

TEST(quantized_weights_round_ties_to_even_and_keep_signs) {
  Quantized quantized;
  REQUIRE(quantize({127, 0.5f, 1.5f, -2.5f, -127, 0}, ScaleType::kF32, &quantized).ok());
  CHECK(quantized.scales[0] == 1);
  CHECK((quantized.values == std::vector<int8_t>{127, 0, 2, -2, -127, 0}));
}

TEST(rows_of_nothing_have_scale_zero_and_rows_without_a_scale_are_refused) {
  Quantized quantized;
  REQUIRE(quantize({0, -0.0f, 0x1p-101f}, ScaleType::kBf16, &quantized).ok());
  CHECK(quantized.scales[0] == 0 && (quantized.values == std::vector<int8_t>{0, 0, 0}));
  for (const float bad : {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
    const Status status = quantize({1, bad, 2}, ScaleType::kF32, &quantized);
    CHECK(status.code() == Code::kInvalidArgument && status.message().find("row 0") != std::string::npos);
  }
}

TEST(quantized_rows_are_those_that_were_asked_for) {
  const std::vector<float> values = {1, 2, 30, 40, 500, 600};
  int8_t quantized[4];
  float scales[2];
  REQUIRE(quantize_rows(matrix_of(values, 3), 1, 2, ScaleType::kF32, quantized, scales).ok());
  CHECK(scales[0] == 40.0f / 127 && scales[1] == 600.0f / 127);
  CHECK(quantized[0] == 95 && quantized[1] == 127 && quantized[2] == 106 && quantized[3] == 127);
  uint16_t rounded[2];
  round_rows(matrix_of(values, 3), 2, 1, rounded);
  CHECK(rounded[0] == float_to_bf16(500) && rounded[1] == float_to_bf16(600));
}
