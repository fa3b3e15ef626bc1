// The maximum of softmax_sum, which the vector forms look for in another order than their reference.
#include "kernels/softmax/softmax_sum.h"

#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <vector>

#include "kernels/registry.h"
#include "test/test.h"

using namespace switchyard;

namespace {

bool has_bits_of(const SoftmaxSum& a, const SoftmaxSum& b) {
  return std::bit_cast<uint32_t>(a.max) == std::bit_cast<uint32_t>(b.max) &&
         std::bit_cast<uint32_t>(a.sum) == std::bit_cast<uint32_t>(b.sum);
}

}  // namespace

TEST(softmax_sum_finds_the_maximum_wherever_it_stands) {
  std::mt19937_64 random(test::seed());
  std::normal_distribution<float> normal(-3.0f, 1.0f);
  for (int size = 1; size < 50; ++size) {
    std::vector<float> x(size);
    for (float& each : x) each = normal(random);
    for (int at = 0; at < size; ++at) {
      std::vector<float> with_most = x;
      with_most[at] = 20.0f;
      for (const Isa isa : available_isas())
        CHECK(
            has_bits_of(kernels_of(isa).softmax_sum(with_most.data(), size), softmax_sum_ref(with_most.data(), size)));
    }
  }
}

TEST(softmax_sum_gives_the_first_of_zeros_of_either_sign) {
  std::mt19937_64 random(test::seed());
  for (int size = 1; size < 50; ++size) {
    for (int i = 0; i < 8; ++i) {
      std::vector<float> x(size);
      for (float& each : x) each = random() % 3 == 0 ? -1.0f : random() % 2 == 0 ? 0.0f : -0.0f;
      for (const Isa isa : available_isas())
        CHECK(has_bits_of(kernels_of(isa).softmax_sum(x.data(), size), softmax_sum_ref(x.data(), size)));
    }
  }
}

TEST(softmax_sum_has_a_nan_as_maximum_only_where_it_stands_first) {
  std::mt19937_64 random(test::seed());
  std::normal_distribution<float> normal;
  for (int size = 1; size < 50; ++size) {
    std::vector<float> x(size);
    for (float& each : x) each = normal(random);
    for (int at = 0; at < size; ++at) {
      std::vector<float> with_nan = x;
      with_nan[at] = std::numeric_limits<float>::quiet_NaN();
      const float expected = softmax_sum_ref(with_nan.data(), size).max;
      for (const Isa isa : available_isas()) {
        const float max = kernels_of(isa).softmax_sum(with_nan.data(), size).max;
        CHECK(at == 0 ? std::isnan(max) : max == expected);
      }
    }
  }
}
