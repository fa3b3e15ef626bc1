// Elementary functions with the same bits on every machine (docs/numerics.md, "Functions"): IEEE operations and explicit fma only.
// Called by the reference kernels, the rotary table and the sampler. Never replace one by its libm namesake.
#pragma once

#include <cstdint>

namespace switchyard {

float exp32(float x);
float sigmoid32(float x);
float silu32(float x);
float rsqrt32(float x);

/// Natural logarithm of a positive normal number.
double log64(double x);
/// e^x for |x| <= 700.
double exp64(double x);
/// base^exponent for a positive base.
double pow64(double base, double exponent);
/// For |x| <= 2^20.
double sin64(double x);
double cos64(double x);

}  // namespace switchyard
