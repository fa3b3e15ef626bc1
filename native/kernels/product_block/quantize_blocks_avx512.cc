#include <immintrin.h>

#include "kernels/product_block/quantize_blocks_lanes.h"

namespace switchyard {
namespace {

struct Block {
  __m512 half[2];

  static Block load(const float* x) { return {{_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)}}; }

  uint32_t amax_bits() const {
    const __m512i mask = _mm512_set1_epi32(static_cast<int>(kMagnitudeBits));
    const __m512i low = _mm512_and_si512(_mm512_castps_si512(half[0]), mask);
    const __m512i high = _mm512_and_si512(_mm512_castps_si512(half[1]), mask);
    return _mm512_reduce_max_epu32(_mm512_max_epu32(low, high));
  }

  void quantize(float inverse, int8_t* q, int32_t* sums) const {
    for (int i = 0; i < 2; ++i) {
      const __m512i numbers = _mm512_cvtps_epi32(_mm512_mul_ps(half[i], _mm512_set1_ps(inverse)));
      _mm_storeu_si128(reinterpret_cast<__m128i*>(q) + i, _mm512_cvtepi32_epi8(numbers));
      sums[i] = _mm512_reduce_add_epi32(numbers);
    }
  }
};

}  // namespace

void quantize_blocks_avx512(const QuantizeBlocksArgs& args) { run_quantize_blocks<Block>(args); }

}  // namespace switchyard
