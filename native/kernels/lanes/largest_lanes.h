// The largest of a row on sixteen lanes, with the bits that comparing one after the other gives. Include after a lanes_*.h.
#pragma once

namespace switchyard {
namespace {

/// size > 0. As `m = x[i] > m ? x[i] : m` from x[0] on: a NaN counts only in the first place.
inline float largest_lanes(const float* x, int size) {
  Lanes most = Lanes::broadcast(x[0]);  // in all lanes: where it is NaN, all stay so
  int i = 0;
  for (; i + 16 <= size; i += 16) most = Lanes::max(Lanes::load(x + i), most);
  if (const int rest = size - i; rest > 0)
    most = Lanes::blend_first(Lanes::max(Lanes::load_first(x + i, rest), most), most, rest);
  const float largest = most.largest();
  // Of zeros, which are equal, the first one has the sign.
  for (i = 0; largest == 0.0f; ++i) {
    if (x[i] == 0.0f) return x[i];
  }
  return largest;
}

}  // namespace
}  // namespace switchyard
