// The tree of docs/numerics.md over the slices of a product, for numbers and for lanes.
#pragma once

#include <cstddef>

namespace switchyard {

/// values[0], values[stride], .. by `add`; the left subtree has the largest power of two below count.
template <class Value, class Add>
Value tree_sum(const Value* values, size_t stride, int count, Add add) {
  if (count == 1) return values[0];
  int left = 1;
  while (left * 2 < count) left *= 2;
  return add(tree_sum(values, stride, left, add), tree_sum(values + left * stride, stride, count - left, add));
}

}  // namespace switchyard
