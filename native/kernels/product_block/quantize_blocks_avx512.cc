#include "kernels/product_block/quantize_blocks_lanes.h"

namespace switchyard {
namespace {

struct Block {
  __m512 half[2];

  static Block load(const float* x) { return {{_mm512_loadu_ps(x), _mm512_loadu_ps(x + 16)}}; }

  /// Lane i is that of blocks[i]. Each step compares the halves of two registers' blocks and puts the larger ones into one.
  static __m128i amax_bits(const Block* blocks) {
    const auto compare_halves = [](__m512i a, __m512i b) {
      return _mm512_max_epu32(_mm512_shuffle_i32x4(a, b, 0x88), _mm512_shuffle_i32x4(a, b, 0xdd));
    };
    const __m512i four = compare_halves(compare_halves(blocks[0].largest_sixteen(), blocks[1].largest_sixteen()),
                                        compare_halves(blocks[2].largest_sixteen(), blocks[3].largest_sixteen()));
    const __m512i two = _mm512_max_epu32(four, _mm512_shuffle_epi32(four, _MM_PERM_BADC));
    const __m512i all = _mm512_max_epu32(two, _mm512_shuffle_epi32(two, _MM_PERM_CDAB));
    const __m512i firsts = _mm512_setr_epi32(0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12, 0, 4, 8, 12);
    return _mm512_castsi512_si128(_mm512_permutexvar_epi32(firsts, all));
  }

  /// Two blocks fill a register with bytes. Packing works within 128-bit quarters: the permutation puts the groups in order again.
  static void quantize(const Block* blocks, const float* inverse, __m256i* q) {
    const __m512i order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    for (int i = 0; i < kBlocksTogether; i += 2) {
      const __m512i packed = _mm512_packs_epi16(blocks[i].words(inverse[i]), blocks[i + 1].words(inverse[i + 1]));
      const __m512i bytes = _mm512_permutexvar_epi32(order, packed);
      q[i] = _mm512_castsi512_si256(bytes);
      q[i + 1] = _mm512_extracti64x4_epi64(bytes, 1);
    }
  }

 private:
  __m512i largest_sixteen() const {
    const __m512i mask = _mm512_set1_epi32(static_cast<int>(kMagnitudeBits));
    return _mm512_max_epu32(_mm512_and_si512(_mm512_castps_si512(half[0]), mask),
                            _mm512_and_si512(_mm512_castps_si512(half[1]), mask));
  }

  __m512i words(float inverse) const {
    const __m512 factor = _mm512_set1_ps(inverse);
    return _mm512_packs_epi32(_mm512_cvtps_epi32(_mm512_mul_ps(half[0], factor)),
                              _mm512_cvtps_epi32(_mm512_mul_ps(half[1], factor)));
  }
};

}  // namespace

void quantize_blocks_avx512(const QuantizeBlocksArgs& args) { run_quantize_blocks<Block>(args); }

}  // namespace switchyard
