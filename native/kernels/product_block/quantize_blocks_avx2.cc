#include <immintrin.h>

#include "kernels/product_block/quantize_blocks_lanes.h"

namespace switchyard {
namespace {

struct Block {
  __m256 quarter[4];

  static Block load(const float* x) {
    return {{_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)}};
  }

  uint32_t amax_bits() const {
    const __m256i mask = _mm256_set1_epi32(static_cast<int>(kMagnitudeBits));
    const auto magnitude = [&](int i) { return _mm256_and_si256(_mm256_castps_si256(quarter[i]), mask); };
    const __m256i eight =
        _mm256_max_epu32(_mm256_max_epu32(magnitude(0), magnitude(1)), _mm256_max_epu32(magnitude(2), magnitude(3)));
    const __m128i four = _mm_max_epu32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_max_epu32(four, _mm_shuffle_epi32(four, 0x4e));
    return static_cast<uint32_t>(_mm_cvtsi128_si32(_mm_max_epu32(two, _mm_shuffle_epi32(two, 0xb1))));
  }

  void quantize(float inverse, int8_t* q, int32_t* sums) const {
    __m256i numbers[4];
    for (int i = 0; i < 4; ++i) numbers[i] = _mm256_cvtps_epi32(_mm256_mul_ps(quarter[i], _mm256_set1_ps(inverse)));
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    const __m256i bytes =
        _mm256_packs_epi16(_mm256_packs_epi32(numbers[0], numbers[1]), _mm256_packs_epi32(numbers[2], numbers[3]));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(q), _mm256_permutevar8x32_epi32(bytes, order));
    for (int i = 0; i < 2; ++i) sums[i] = sum(_mm256_add_epi32(numbers[2 * i], numbers[2 * i + 1]));
  }

 private:
  static int32_t sum(__m256i eight) {
    const __m128i four = _mm_add_epi32(_mm256_castsi256_si128(eight), _mm256_extracti128_si256(eight, 1));
    const __m128i two = _mm_add_epi32(four, _mm_shuffle_epi32(four, 0x4e));
    return _mm_cvtsi128_si32(_mm_add_epi32(two, _mm_shuffle_epi32(two, 0xb1)));
  }
};

}  // namespace

void quantize_blocks_avx2(const QuantizeBlocksArgs& args) { run_quantize_blocks<Block>(args); }

}  // namespace switchyard
