#include <immintrin.h>

#include "base/bf16_avx2.h"
#include "xccl/group/gate_sum_lanes.h"

namespace switchyard::xccl {
namespace {

struct Lanes {
  using Vector = __m256;
  static constexpr uint64_t kWidth = 8;

  static Vector zero() { return _mm256_setzero_ps(); }
  static Vector broadcast(float x) { return _mm256_set1_ps(x); }
  static Vector mul(Vector a, Vector b) { return _mm256_mul_ps(a, b); }
  static Vector fma(Vector a, Vector b, Vector c) { return _mm256_fmadd_ps(a, b, c); }

  template <RowFormat kFormat>
  static Vector load(const std::byte* p) {
    if constexpr (kFormat == RowFormat::kFp32) return _mm256_loadu_ps(reinterpret_cast<const float*>(p));
    if constexpr (kFormat == RowFormat::kBf16) {
      const __m256i wide = _mm256_cvtepu16_epi32(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
      return _mm256_castsi256_ps(_mm256_slli_epi32(wide, 16));
    }
    if constexpr (kFormat == RowFormat::kInt8)
      return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(p))));
  }

  template <RowFormat kFormat>
  static void store(std::byte* p, Vector x) {
    if constexpr (kFormat == RowFormat::kFp32) {
      _mm256_storeu_ps(reinterpret_cast<float*>(p), x);
    } else {
      _mm_storeu_si128(reinterpret_cast<__m128i*>(p), round_bf16_lanes(x));
    }
  }

  static void store_two_bf16(std::byte* p, Vector first, Vector second) {
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), round_bf16_lanes(first, second));
  }
};

}  // namespace

void gate_sum_avx2(const GateSumArgs& args) { run_gate_sum<Lanes>(args); }

}  // namespace switchyard::xccl
