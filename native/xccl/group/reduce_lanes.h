// The vector form of the reduction. A *_avx2.cc or *_avx512.cc file instantiates it with its registers: run_reduce<Vector, One>,
// where One is the same type with one lane, for the tail. All in an anonymous namespace: code of one instruction set must not
// be merged with another's.
//
// Up to 16 sources the whole tree of an element lives in registers (the shape is a template argument). More are cut along the
// tree into parts of up to 16, whose sums meet in blocks that stay in L1.
#pragma once

#include <cstddef>
#include <cstdint>
#include <type_traits>
#include <utility>

namespace switchyard::xccl {
namespace {

inline constexpr size_t kNumSourcesInRegisters = 16;
inline constexpr size_t kBlockElements = 512;

/// The tree's left part of n > 1 members.
constexpr size_t left_of(size_t n) {
  size_t left = 1;
  while (2 * left < n) left *= 2;
  return left;
}

template <class Vector, size_t N>
Vector tree_at(const typename Vector::Element* const* sources, size_t at) {
  if constexpr (N == 1) {
    return Vector::load(sources[0] + at);
  } else {
    constexpr size_t kLeft = left_of(N);
    return Vector::add(tree_at<Vector, kLeft>(sources, at), tree_at<Vector, N - kLeft>(sources + kLeft, at));
  }
}

/// All loads of an element precede its store, so `out` may be one of the sources.
template <class Vector, class One, size_t N>
void add_fixed(const typename Vector::Element* const* sources, size_t num_elements, typename Vector::Element* out) {
  size_t at = 0;
  for (; at + 2 * Vector::kWidth <= num_elements; at += 2 * Vector::kWidth) {
    const Vector first = tree_at<Vector, N>(sources, at);
    const Vector second = tree_at<Vector, N>(sources, at + Vector::kWidth);
    first.store(out + at);
    second.store(out + at + Vector::kWidth);
  }
  for (; at < num_elements; ++at) tree_at<One, N>(sources, at).store(out + at);
}

template <class Element>
using AddFixed = void (*)(const Element* const* sources, size_t num_elements, Element* out);

/// Entry n - 1 adds n sources.
template <class Vector, class One, size_t... I>
AddFixed<typename Vector::Element> add_fixed_of(size_t n, std::index_sequence<I...>) {
  static constexpr AddFixed<typename Vector::Element> kTable[] = {add_fixed<Vector, One, I + 1>...};
  return kTable[n - 1];
}

template <class Vector, class One>
void add_block(const typename Vector::Element* const* sources, size_t n, size_t at, size_t num_elements,
               typename Vector::Element* out) {
  using Element = typename Vector::Element;
  if (n <= kNumSourcesInRegisters) {
    const Element* moved[kNumSourcesInRegisters];
    for (size_t i = 0; i < n; ++i) moved[i] = sources[i] + at;
    add_fixed_of<Vector, One>(n, std::make_index_sequence<kNumSourcesInRegisters>())(moved, num_elements, out);
    return;
  }
  // Not into `out`: it may be a source of the right part.
  Element sums[2][kBlockElements];
  const size_t left = left_of(n);
  add_block<Vector, One>(sources, left, at, num_elements, sums[0]);
  add_block<Vector, One>(sources + left, n - left, at, num_elements, sums[1]);
  const Element* const halves[] = {sums[0], sums[1]};
  add_fixed<Vector, One, 2>(halves, num_elements, out);
}

template <class Vector, class One>
void run_reduce(const typename Vector::Element* const* sources, size_t n, size_t num_elements,
                typename Vector::Element* out) {
  const size_t block = n <= kNumSourcesInRegisters ? num_elements : kBlockElements;
  for (size_t at = 0; at < num_elements; at += block) {
    const size_t count = num_elements - at < block ? num_elements - at : block;
    add_block<Vector, One>(sources, n, at, count, out + at);
  }
}

/// One lane.
template <class E>
struct Scalar {
  using Element = E;
  static constexpr size_t kWidth = 1;
  Element value;
  static Scalar load(const Element* p) { return {*p}; }
  void store(Element* p) const { *p = value; }
  static Scalar add(Scalar a, Scalar b) {
    if constexpr (std::is_integral_v<Element>) {
      return {static_cast<Element>(static_cast<uint32_t>(a.value) + static_cast<uint32_t>(b.value))};
    } else {
      return {a.value + b.value};
    }
  }
};

}  // namespace
}  // namespace switchyard::xccl
