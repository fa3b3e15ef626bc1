// Accuracy of the elementary functions against libm (their bits are fixed by construction; see kernels/*_test.cc for the vector forms).
#include "base/math.h"

#include <cmath>

#include "base/philox.h"
#include "test/test.h"

using namespace switchyard;

namespace {

double relative_error(double ours, double theirs) {
  return theirs == 0.0 ? std::fabs(ours) : std::fabs(ours / theirs - 1.0);
}

}  // namespace

TEST(math_exp32_is_close_to_libm_and_saturates) {
  double worst = 0.0;
  for (float x = -86.9f; x < 88.3f; x += 0.0137f)
    worst = std::fmax(worst, relative_error(exp32(x), std::exp(static_cast<double>(x))));
  CHECK(worst < 2e-7);
  CHECK(exp32(0.0f) == 1.0f);
  CHECK(exp32(-100.0f) == 0.0f);
  CHECK(std::isfinite(exp32(1e30f)));
  CHECK(std::isnan(exp32(NAN)));
}

TEST(math_log64_and_exp64_are_close_to_libm) {
  double worst = 0.0;
  for (double x = 1e-10; x < 1e10; x *= 1.0173)
    worst = std::fmax(worst, std::fabs(log64(x) - std::log(x)) / std::fmax(1.0, std::fabs(std::log(x))));
  for (double x = -700.0; x < 700.0; x += 0.37) worst = std::fmax(worst, relative_error(exp64(x), std::exp(x)));
  CHECK(worst < 1e-15);
  CHECK(relative_error(pow64(10000.0, 0.875), std::pow(10000.0, 0.875)) < 1e-14);
}

TEST(math_sin64_and_cos64_are_close_to_libm) {
  double worst = 0.0;
  for (double x = -3000.0; x < 200000.0; x += 1.37) {
    worst = std::fmax(worst, std::fabs(sin64(x) - std::sin(x)));
    worst = std::fmax(worst, std::fabs(cos64(x) - std::cos(x)));
  }
  CHECK(worst < 4e-16);
}

// Known answers of Random123's kat_vectors for philox4x32-10.
TEST(philox_matches_the_published_vectors) {
  const auto zero = philox4x32({0, 0, 0, 0}, {0, 0});
  CHECK(zero[0] == 0x6627e8d5u && zero[1] == 0xe169c58du && zero[2] == 0xbc57ac4cu && zero[3] == 0x9b00dbd8u);
  const auto ones = philox4x32({0xffffffffu, 0xffffffffu, 0xffffffffu, 0xffffffffu}, {0xffffffffu, 0xffffffffu});
  CHECK(ones[0] == 0x408f276du && ones[1] == 0x41c83b0eu && ones[2] == 0xa20bc7c6u && ones[3] == 0x6d5451fdu);
}
