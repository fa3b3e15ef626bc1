// exp32, sigmoid32 and silu32 on sixteen lanes: the steps of base/math.cc, one for one. Include after a lanes_*.h.
#pragma once

#include "base/exp32_constants.h"

namespace switchyard {
namespace {

inline Lanes exp32_lanes(Lanes x) {
  namespace c = exp32_constants;
  const Lanes clamped = Lanes::max(Lanes::min(x, Lanes::broadcast(c::kHighest)), Lanes::broadcast(c::kLowest));
  const Lanes n = Lanes::rint(Lanes::mul(clamped, Lanes::broadcast(c::kLog2E)));
  Lanes r = Lanes::fma(n, Lanes::broadcast(c::kMinusLn2High), clamped);
  r = Lanes::fma(n, Lanes::broadcast(c::kMinusLn2Low), r);
  Lanes p = Lanes::broadcast(c::kCoefficients[0]);
  for (int i = 1; i < c::kNumCoefficients; ++i) p = Lanes::fma(p, r, Lanes::broadcast(c::kCoefficients[i]));
  const Lanes y = Lanes::zero_below(x, c::kLowest, Lanes::mul(p, Lanes::power_of_two(n)));
  return Lanes::keep_nan(x, y);
}

/// 1 + e^-x.
inline Lanes one_plus_exp32_lanes(Lanes x) {
  return Lanes::add(Lanes::broadcast(1.0f), exp32_lanes(Lanes::mul(x, Lanes::broadcast(-1.0f))));
}

inline Lanes sigmoid32_lanes(Lanes x) { return Lanes::div(Lanes::broadcast(1.0f), one_plus_exp32_lanes(x)); }

inline Lanes silu32_lanes(Lanes x) { return Lanes::div(x, one_plus_exp32_lanes(x)); }

}  // namespace
}  // namespace switchyard
