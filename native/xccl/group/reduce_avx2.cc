#include <immintrin.h>

#include "xccl/group/reduce_lanes.h"
#include "xccl/group/reduce_variants.h"

namespace switchyard::xccl {
namespace {

struct Floats {
  using Element = float;
  static constexpr size_t kWidth = 8;
  __m256 v;
  static Floats load(const float* p) { return {_mm256_loadu_ps(p)}; }
  void store(float* p) const { _mm256_storeu_ps(p, v); }
  static Floats add(Floats a, Floats b) { return {_mm256_add_ps(a.v, b.v)}; }
};

struct Ints {
  using Element = int32_t;
  static constexpr size_t kWidth = 8;
  __m256i v;
  static Ints load(const int32_t* p) { return {_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p))}; }
  void store(int32_t* p) const { _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), v); }
  static Ints add(Ints a, Ints b) { return {_mm256_add_epi32(a.v, b.v)}; }
};

}  // namespace

void reduce_tree_avx2(const float* const* sources, size_t num_sources, size_t num_elements, float* out) {
  run_reduce<Floats, Scalar<float>>(sources, num_sources, num_elements, out);
}

void reduce_tree_avx2(const int32_t* const* sources, size_t num_sources, size_t num_elements, int32_t* out) {
  run_reduce<Ints, Scalar<int32_t>>(sources, num_sources, num_elements, out);
}

}  // namespace switchyard::xccl
