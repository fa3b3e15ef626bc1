// fold16 of docs/numerics.md for the reference kernels.
#pragma once

namespace switchyard {

inline constexpr int kLanes = 16;

/// Adds sixteen lanes in the fixed order; overwrites them.
inline float fold16(float (&lane)[kLanes]) {
  for (int width = kLanes / 2; width > 0; width /= 2) {
    for (int i = 0; i < width; ++i) lane[i] += lane[i + width];
  }
  return lane[0];
}

}  // namespace switchyard
