// The reduction: every variant against the reference bit by bit, the reference against sums worked out by hand.
#include <bit>
#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "xccl/group/reduce.h"
#include "xccl/test_support.h"

namespace switchyard::xccl::testing {
namespace {

template <class Element>
ReduceTree<Element> tree_of(const ReduceKernels& kernels) {
  if constexpr (std::is_same_v<Element, float>) return kernels.f32;
  if constexpr (std::is_same_v<Element, int32_t>) return kernels.i32;
}

template <class Element>
using Vectors = std::vector<std::vector<Element>>;

/// Each vector starts `skew` elements into its storage, so that no load is aligned.
template <class Element>
std::vector<const Element*> pointers_of(const Vectors<Element>& vectors, size_t skew) {
  std::vector<const Element*> pointers;
  for (const auto& vector : vectors) pointers.push_back(vector.data() + skew);
  return pointers;
}

float random_value(Random& random, float) {
  const float magnitude = std::ldexp(1.0f, static_cast<int>(random.below(40)) - 20);
  return (static_cast<float>(random.below(1 << 24)) - 8e6f) * magnitude;
}
int32_t random_value(Random& random, int32_t) { return static_cast<int32_t>(random.next()); }

template <class Element>
Vectors<Element> random_vectors(Random& random, size_t num_sources, size_t num_elements) {
  Vectors<Element> vectors(num_sources, std::vector<Element>(num_elements));
  for (auto& vector : vectors) {
    for (Element& value : vector) value = random_value(random, Element{});
  }
  return vectors;
}

template <class Element>
bool same_bits(const std::vector<Element>& a, const std::vector<Element>& b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size() * sizeof(Element)) == 0;
}

template <class Element>
void check_variants(Random& random, size_t num_sources, size_t num_elements, size_t skew) {
  const auto vectors = random_vectors<Element>(random, num_sources, num_elements + skew);
  const auto sources = pointers_of(vectors, skew);
  // The guard behind the last element shows a store too many.
  const Element guard = 77;
  std::vector<Element> expected(num_elements + 1, guard);
  tree_of<Element>(reduce_kernels_of(Isa::kScalar))(sources.data(), num_sources, num_elements, expected.data());
  for (const Isa isa : available_isas()) {
    std::vector<Element> got(num_elements + 1, guard);
    tree_of<Element>(reduce_kernels_of(isa))(sources.data(), num_sources, num_elements, got.data());
    if (!same_bits(got, expected))
      std::printf("%s, %zu sources of %zu elements\n", isa_name(isa), num_sources, num_elements);
    CHECK(same_bits(got, expected));
  }
}

template <class Element>
void check_in_place(Random& random, size_t num_sources, size_t num_elements, size_t own) {
  for (const Isa isa : available_isas()) {
    auto vectors = random_vectors<Element>(random, num_sources, num_elements);
    const auto sources = pointers_of(vectors, 0);
    std::vector<Element> expected(num_elements);
    tree_of<Element>(reduce_kernels_of(Isa::kScalar))(sources.data(), num_sources, num_elements, expected.data());
    tree_of<Element>(reduce_kernels_of(isa))(sources.data(), num_sources, num_elements, vectors[own].data());
    CHECK(same_bits(vectors[own], expected));
  }
}

float sum_of(std::vector<float> values) {
  std::vector<const float*> sources;
  for (const float& value : values) sources.push_back(&value);
  float out = 0;
  reduce_tree(sources, 1, &out);
  return out;
}

}  // namespace

TEST(xccl_reduce_variants_agree) {
  Random random(test::seed());
  const size_t sizes[] = {0, 1, 7, 8, 15, 16, 17, 31, 33, 100, 511, 512, 513, 1541};
  for (size_t num_sources = 1; num_sources <= 16; ++num_sources) {
    for (const size_t num_elements : sizes) {
      check_variants<float>(random, num_sources, num_elements, num_elements % 3);
      check_variants<int32_t>(random, num_sources, num_elements, num_elements % 3);
    }
  }
  for (const size_t num_sources : {17, 31, 32, 33, 48, 63, 64}) {
    check_variants<float>(random, num_sources, 1541, 1);
    check_variants<int32_t>(random, num_sources, 1025, 0);
  }
}

TEST(xccl_reduce_in_place) {
  Random random(test::seed());
  for (const size_t num_sources : {1, 2, 3, 8, 13, 16, 17, 40, 64}) {
    for (const size_t own : {size_t{0}, num_sources / 2, num_sources - 1}) {
      check_in_place<float>(random, num_sources, 1100, own);
      check_in_place<int32_t>(random, num_sources, 1100, own);
    }
  }
}

// 2^24 + 1 is not a float: which additions are lost tells the order.
TEST(xccl_reduce_order_is_the_contracts_tree) {
  const float big = 16777216.0f;
  CHECK(sum_of({big}) == big);
  CHECK(sum_of({big, 1, 1}) == big);                     // (big + 1) + 1
  CHECK(sum_of({1, 1, big}) == big + 2);                 // (1 + 1) + big
  CHECK(sum_of({big, 1, 1, 1}) == big + 2);              // (big + 1) + (1 + 1)
  CHECK(sum_of({1, 1, 1, big, 0}) == big + 2);           // ((1 + 1) + (1 + big)) + 0
  CHECK(sum_of({big, 0, 0, 0, 1, 1, 1}) == big + 4);     // big + ((1 + 1) + 1), 3 rounds to 4
  CHECK(sum_of({big, 1, 0, 0, 1, 0, 1, 0}) == big + 2);  // big + ((1 + 0) + (1 + 0))
}

TEST(xccl_reduce_special_values) {
  CHECK(std::bit_cast<uint32_t>(sum_of({-0.0f})) == 0x80000000u);
  CHECK(std::bit_cast<uint32_t>(sum_of({-0.0f, -0.0f, -0.0f})) == 0x80000000u);
  CHECK(std::bit_cast<uint32_t>(sum_of({-0.0f, 0.0f})) == 0);
  const float infinity = std::numeric_limits<float>::infinity();
  CHECK(sum_of({infinity, 1, -2}) == infinity);
  CHECK(std::isnan(sum_of({infinity, -infinity, 1})));
  CHECK(std::isnan(sum_of({1, 2, std::numeric_limits<float>::quiet_NaN(), 4})));
  const float tiny = std::numeric_limits<float>::denorm_min();
  CHECK(sum_of({tiny, tiny, tiny}) == 3 * tiny);
  const int32_t most[] = {INT32_MAX, 1, 5};
  const int32_t* const sources[] = {&most[0], &most[1], &most[2]};
  int32_t out = 0;
  reduce_tree(sources, 1, &out);
  CHECK(out == INT32_MIN + 5);
}

}  // namespace switchyard::xccl::testing
