// The reference of the reduction: the definition, one element at a time.
#include <bit>

#include "xccl/group/reduce_variants.h"

namespace switchyard::xccl {
namespace {

float add(float a, float b) { return a + b; }
int32_t add(int32_t a, int32_t b) { return static_cast<int32_t>(static_cast<uint32_t>(a) + static_cast<uint32_t>(b)); }

template <class Element>
Element tree(const Element* const* sources, size_t num_sources, size_t i) {
  if (num_sources == 1) return sources[0][i];
  const size_t left = std::bit_floor(num_sources - 1);
  return add(tree(sources, left, i), tree(sources + left, num_sources - left, i));
}

}  // namespace

void reduce_tree_ref(const float* const* sources, size_t num_sources, size_t num_elements, float* out) {
  for (size_t i = 0; i < num_elements; ++i) out[i] = tree(sources, num_sources, i);
}

void reduce_tree_ref(const int32_t* const* sources, size_t num_sources, size_t num_elements, int32_t* out) {
  for (size_t i = 0; i < num_elements; ++i) out[i] = tree(sources, num_sources, i);
}

}  // namespace switchyard::xccl
