// Adds the members' vectors element by element, as D2's balanced binary tree over the member index: tree(v0 .. vn-1) is
// tree(first p) + tree(rest), p the largest power of two below n (docs/numerics.md). Members that hold whole subtrees of a
// product's slices so get the bits of the product on one rank. Called by reduce-scatter and all-reduce; knows no peers.
// int32 sums wrap modulo 2^32. Where a sum is NaN it is NaN in every variant, but its payload is not specified.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/isa.h"

namespace switchyard::xccl {

/// out[i] = tree over s of sources[s][i], 1 to kNumRanksMax sources. `out` may be one of the sources, or overlap none.
template <class Element>
using ReduceTree = void (*)(const Element* const* sources, size_t num_sources, size_t num_elements, Element* out);

struct ReduceKernels {
  Isa isa;
  ReduceTree<float> f32;
  ReduceTree<int32_t> i32;
};

/// The fastest that this machine runs.
const ReduceKernels& reduce_kernels();
/// For tests. The instruction set must be available.
const ReduceKernels& reduce_kernels_of(Isa isa);

inline void reduce_tree(std::span<const float* const> sources, size_t num_elements, float* out) {
  reduce_kernels().f32(sources.data(), sources.size(), num_elements, out);
}
inline void reduce_tree(std::span<const int32_t* const> sources, size_t num_elements, int32_t* out) {
  reduce_kernels().i32(sources.data(), sources.size(), num_elements, out);
}

}  // namespace switchyard::xccl
