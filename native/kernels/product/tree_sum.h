// The tree of docs/numerics.md over the slices of a product, for numbers and for lanes.
#pragma once

#include <cstddef>

namespace switchyard {

/// values[0], values[stride], .. by `add`; the left subtree has the largest power of two below count. Sums of subtrees overwrite values, and
/// what is returned is values[0]: lanes that have to be copied are slow.
template <class Value, class Add>
const Value& tree_sum(Value* values, size_t stride, int count, Add add) {
  if (count < 1) __builtin_unreachable();  // as gcc would have it that no slice was set
  for (int step = 1; step < count; step *= 2) {
    for (int i = 0; i + step < count; i += 2 * step)
      values[i * stride] = add(values[i * stride], values[(i + step) * stride]);
  }
  return values[0];
}

}  // namespace switchyard
