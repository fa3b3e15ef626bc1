// A row as parts of sixteen numbers and a last one of fewer, so that what is done with a part is written once. Include after a lanes_*.h.
#pragma once

namespace switchyard {
namespace {

struct WholePart {
  static constexpr int size() { return 16; }
  static Lanes load(const float* p) { return Lanes::load(p); }
  static void store(Lanes v, float* p) { v.store(p); }
  static Lanes blend(Lanes v, Lanes) { return v; }
};

/// Loads +0 for what is not there.
struct LastPart {
  int num_numbers;  // 1 .. 15

  int size() const { return num_numbers; }
  Lanes load(const float* p) const { return Lanes::load_first(p, num_numbers); }
  void store(Lanes v, float* p) const { v.store_first(p, num_numbers); }
  /// v in the lanes of the part, `other` in the rest.
  Lanes blend(Lanes v, Lanes other) const { return Lanes::blend_first(v, other, num_numbers); }
};

/// body(index of its first number, part) for each part of a row of `size`, in order.
template <class Body>
void for_each_part(int size, const Body& body) {
  int i = 0;
  for (; i + 16 <= size; i += 16) body(i, WholePart{});
  if (i < size) body(i, LastPart{size - i});
}

}  // namespace
}  // namespace switchyard
