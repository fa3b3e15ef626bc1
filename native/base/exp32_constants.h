// The constants of exp32 (docs/numerics.md), shared by the scalar form in base/math.h and the vector forms in kernels/lanes.
// Coefficients: Cephes expf (S. Moshier), with two more Horner steps in place of its last two sums.
#pragma once

namespace switchyard::exp32_constants {

inline constexpr float kLowest = -87.0f;   // below: 0, so that no result is denormal
inline constexpr float kHighest = 88.37f;  // above: counts as this, so that no result overflows
inline constexpr float kLog2E = 1.44269504f;
inline constexpr float kMinusLn2High = -0.693359375f;
inline constexpr float kMinusLn2Low = 2.12194440e-4f;
inline constexpr int kNumCoefficients = 8;
inline constexpr float kCoefficients[kNumCoefficients] = {1.9875691500e-4f,
                                                          1.3981999507e-3f,
                                                          8.3334519073e-3f,
                                                          4.1665795894e-2f,
                                                          1.6666665459e-1f,
                                                          5.0000001201e-1f,
                                                          1.0f,
                                                          1.0f};

}  // namespace switchyard::exp32_constants
