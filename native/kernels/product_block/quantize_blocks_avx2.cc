#include "kernels/product_block/quantize_blocks_lanes.h"

namespace switchyard {
namespace {

struct Block {
  __m256 quarter[4];

  static Block load(const float* x) {
    return {{_mm256_loadu_ps(x), _mm256_loadu_ps(x + 8), _mm256_loadu_ps(x + 16), _mm256_loadu_ps(x + 24)}};
  }

  /// Lane i is that of blocks[i]. Each step compares the halves of two registers' blocks and puts the larger ones into one.
  static __m128i amax_bits(const Block* blocks) {
    const auto compare_halves = [](__m256i a, __m256i b) {
      return _mm256_max_epu32(_mm256_permute2x128_si256(a, b, 0x20), _mm256_permute2x128_si256(a, b, 0x31));
    };
    const __m256i even = compare_halves(blocks[0].largest_eight(), blocks[2].largest_eight());
    const __m256i odd = compare_halves(blocks[1].largest_eight(), blocks[3].largest_eight());
    const __m256i pairs = _mm256_max_epu32(_mm256_unpacklo_epi64(even, odd), _mm256_unpackhi_epi64(even, odd));
    const __m256i all = _mm256_max_epu32(pairs, _mm256_shuffle_epi32(pairs, 0xb1));
    return _mm256_castsi256_si128(_mm256_permutevar8x32_epi32(all, _mm256_setr_epi32(0, 2, 4, 6, 0, 2, 4, 6)));
  }

  static void quantize(const Block* blocks, const float* inverse, __m256i* q) {
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    for (int i = 0; i < kBlocksTogether; ++i) {
      const __m256 factor = _mm256_broadcast_ss(inverse + i);
      const auto number = [&](int k) { return _mm256_cvtps_epi32(_mm256_mul_ps(blocks[i].quarter[k], factor)); };
      const __m256i bytes =
          _mm256_packs_epi16(_mm256_packs_epi32(number(0), number(1)), _mm256_packs_epi32(number(2), number(3)));
      q[i] = _mm256_permutevar8x32_epi32(bytes, order);
    }
  }

 private:
  __m256i largest_eight() const {
    const auto magnitude = [&](int i) {
      return _mm256_and_si256(_mm256_castps_si256(quarter[i]), _mm256_set1_epi32(static_cast<int>(kMagnitudeBits)));
    };
    return _mm256_max_epu32(_mm256_max_epu32(magnitude(0), magnitude(1)), _mm256_max_epu32(magnitude(2), magnitude(3)));
  }
};

}  // namespace

void quantize_blocks_avx2(const QuantizeBlocksArgs& args) { run_quantize_blocks<Block>(args); }

}  // namespace switchyard
