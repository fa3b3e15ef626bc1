// See math.h. The double-precision polynomials are truncated series whose remainder lies below half an ulp.
#include "base/math.h"

#include <bit>
#include <cmath>

#include "base/exp32_constants.h"

namespace switchyard {
namespace {

constexpr double kLn2High = 0x1.62e42fefa0000p-1;
constexpr double kLn2Low = 0x1.cf79abc9e3b39p-40;
constexpr double kLog2E = 0x1.71547652b82fep0;
constexpr double kTwoOverPi = 0x1.45f306dc9c883p-1;
constexpr double kHalfPiHigh = 0x1.921fb54442d18p0;
constexpr double kHalfPiMiddle = 0x1.1a62633145c07p-54;
constexpr double kHalfPiLow = -0x1.f1976b7ed8fbcp-110;

double power_of_two(int64_t n) { return std::bit_cast<double>(static_cast<uint64_t>(n + 1023) << 52); }

/// Sum of term_i * r2^i with term_i = first / (product of consecutive integers), by Horner from the highest.
double sin_series(double r) {
  const double z = r * r;
  double p = 1.0 / 355687428096000.0;  // 1/17!
  p = std::fma(p, z, -1.0 / 1307674368000.0);
  p = std::fma(p, z, 1.0 / 6227020800.0);
  p = std::fma(p, z, -1.0 / 39916800.0);
  p = std::fma(p, z, 1.0 / 362880.0);
  p = std::fma(p, z, -1.0 / 5040.0);
  p = std::fma(p, z, 1.0 / 120.0);
  p = std::fma(p, z, -1.0 / 6.0);
  return std::fma(p * z, r, r);
}

double cos_series(double r) {
  const double z = r * r;
  double p = -1.0 / 6402373705728000.0;  // -1/18!
  p = std::fma(p, z, 1.0 / 20922789888000.0);
  p = std::fma(p, z, -1.0 / 87178291200.0);
  p = std::fma(p, z, 1.0 / 479001600.0);
  p = std::fma(p, z, -1.0 / 3628800.0);
  p = std::fma(p, z, 1.0 / 40320.0);
  p = std::fma(p, z, -1.0 / 720.0);
  p = std::fma(p, z, 1.0 / 24.0);
  p = std::fma(p, z, -0.5);
  return std::fma(p, z, 1.0);
}

struct Reduced {
  double r;
  unsigned quadrant;
};

Reduced reduce_by_half_pi(double x) {
  const double n = std::rint(x * kTwoOverPi);
  double r = std::fma(-n, kHalfPiHigh, x);
  r = std::fma(-n, kHalfPiMiddle, r);
  r = std::fma(-n, kHalfPiLow, r);
  return {r, static_cast<unsigned>(static_cast<int64_t>(n)) & 3u};
}

double sin_of_quadrant(Reduced x, unsigned shift) {
  const unsigned quadrant = (x.quadrant + shift) & 3u;
  const double value = (quadrant & 1u) ? cos_series(x.r) : sin_series(x.r);
  return (quadrant & 2u) ? -value : value;
}

}  // namespace

float exp32(float x) {
  namespace c = exp32_constants;
  if (x != x) return x;
  if (x < c::kLowest) return 0.0f;
  const float clamped = x < c::kHighest ? x : c::kHighest;
  const float n = std::rint(clamped * c::kLog2E);
  float r = std::fma(n, c::kMinusLn2High, clamped);
  r = std::fma(n, c::kMinusLn2Low, r);
  float p = c::kCoefficients[0];
  for (int i = 1; i < c::kNumCoefficients; ++i) p = std::fma(p, r, c::kCoefficients[i]);
  return p * std::bit_cast<float>((static_cast<int32_t>(n) + 127) << 23);
}

float sigmoid32(float x) { return 1.0f / (1.0f + exp32(-x)); }

float silu32(float x) { return x / (1.0f + exp32(-x)); }

float rsqrt32(float x) { return 1.0f / std::sqrt(x); }

double log64(double x) {
  const uint64_t bits = std::bit_cast<uint64_t>(x);
  int64_t e = static_cast<int64_t>(bits >> 52) - 1023;
  double m = std::bit_cast<double>((bits & 0xfffffffffffffull) | 0x3ff0000000000000ull);
  if (m >= 0x1.6a09e667f3bcdp0) {  // sqrt(2)
    m *= 0.5;
    ++e;
  }
  const double s = (m - 1.0) / (m + 1.0);
  const double z = s * s;
  double q = 1.0 / 23.0;
  for (int i = 10; i >= 0; --i) q = std::fma(q, z, 1.0 / (2.0 * i + 1.0));
  const double exponent = static_cast<double>(e);
  return std::fma(exponent, kLn2High, std::fma(exponent, kLn2Low, 2.0 * s * q));
}

double exp64(double x) {
  const double n = std::rint(x * kLog2E);
  double r = std::fma(n, -kLn2High, x);
  r = std::fma(n, -kLn2Low, r);
  constexpr double kInverseFactorials[] = {1.0 / 6227020800.0,
                                           1.0 / 479001600.0,
                                           1.0 / 39916800.0,
                                           1.0 / 3628800.0,
                                           1.0 / 362880.0,
                                           1.0 / 40320.0,
                                           1.0 / 5040.0,
                                           1.0 / 720.0,
                                           1.0 / 120.0,
                                           1.0 / 24.0,
                                           1.0 / 6.0,
                                           0.5,
                                           1.0,
                                           1.0};
  double p = 0.0;
  for (const double c : kInverseFactorials) p = std::fma(p, r, c);
  return p * power_of_two(static_cast<int64_t>(n));
}

double pow64(double base, double exponent) { return exp64(exponent * log64(base)); }

double sin64(double x) { return sin_of_quadrant(reduce_by_half_pi(x), 0); }

double cos64(double x) { return sin_of_quadrant(reduce_by_half_pi(x), 1); }

}  // namespace switchyard
