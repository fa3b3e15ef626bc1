// The vector form of the activations' quantisation, four blocks of a row at once: what they have one of each (largest magnitude, scale,
// sums) lies side by side in a register. A *_avx2.cc or *_avx512.cc file includes it and instantiates it with its registers
// (`Block`: 32 numbers). Its bits are those of base/quantize_row.h.
#pragma once

#include <immintrin.h>

#include <algorithm>
#include <cstring>

#include "base/quantize_row_variants.h"
#include "kernels/product_block/product_block.h"

namespace switchyard {
namespace {

inline constexpr int kBlocksTogether = 4;

/// RowScale of four blocks, and which of them are lost to a NaN or an infinity.
struct BlockScales {
  __m128 scale;
  __m128 inverse;
  __m128i is_lost;

  /// As row_scale.
  static BlockScales of(__m128i amax_bits) {
    const __m128 amax = _mm_castsi128_ps(amax_bits);
    const __m128 most = _mm_set1_ps(127);
    const __m128i is_lost = _mm_cmpgt_epi32(amax_bits, _mm_set1_epi32(0x7f7fffff));
    const __m128 is_small = _mm_cmplt_ps(amax, _mm_set1_ps(kQuantizeAmaxMin));
    const __m128 has_none = _mm_or_ps(is_small, _mm_castsi128_ps(is_lost));
    const __m128 nan = _mm_set1_ps(std::numeric_limits<float>::quiet_NaN());
    return {_mm_blendv_ps(_mm_andnot_ps(is_small, _mm_div_ps(amax, most)), nan, _mm_castsi128_ps(is_lost)),
            _mm_andnot_ps(has_none, _mm_div_ps(most, amax)), is_lost};
  }
};

/// Sums of the first and of the second 16 of four blocks.
struct BlockSumHalves {
  __m128i first;
  __m128i second;

  static BlockSumHalves of(const __m256i* q) {
    // Bytes that are 128 too large are unsigned, whose sums of eight are one instruction.
    const auto sums_of_8 = [&](int i) {
      return _mm256_sad_epu8(_mm256_xor_si256(q[i], _mm256_set1_epi8(-128)), _mm256_setzero_si256());
    };
    const auto join = [](__m256i low, __m256i high) { return _mm256_or_si256(low, _mm256_slli_epi64(high, 32)); };
    const __m256i left = join(sums_of_8(0), sums_of_8(1));
    const __m256i right = join(sums_of_8(2), sums_of_8(3));
    const __m256i both =
        _mm256_sub_epi32(_mm256_add_epi32(_mm256_unpacklo_epi64(left, right), _mm256_unpackhi_epi64(left, right)),
                         _mm256_set1_epi32(16 * 128));
    return {_mm256_castsi256_si128(both), _mm256_extracti128_si256(both, 1)};
  }
};

/// What follows q in the ActivationBlocks of four blocks: [block] scale, scaled_sum, start.
inline void block_tails(const BlockForm& form, __m128 scale, const BlockSumHalves& halves, __m128* tails) {
  const __m128i sum = _mm_add_epi32(halves.first, halves.second);
  const bool has_halves = form.sum_columns == 16;
  const __m128i less = _mm_set1_epi32(-form.zero);
  tails[0] = scale;
  tails[1] = _mm_mul_ps(scale, _mm_cvtepi32_ps(sum));
  tails[2] = _mm_castsi128_ps(_mm_mullo_epi32(less, has_halves ? halves.first : sum));
  tails[3] = has_halves ? _mm_castsi128_ps(_mm_mullo_epi32(less, halves.second)) : _mm_setzero_ps();
  _MM_TRANSPOSE4_PS(tails[0], tails[1], tails[2], tails[3]);
}

/// x [4][32] -> the first num_blocks of them, out_stride apart.
template <class Block>
inline void quantize_together(const BlockForm& form, const float* x, int num_blocks, ActivationBlock* out,
                              size_t out_stride) {
  Block blocks[kBlocksTogether];
  for (int i = 0; i < kBlocksTogether; ++i) blocks[i] = Block::load(x + i * kBlockColumns);
  const BlockScales scales = BlockScales::of(Block::amax_bits(blocks));
  alignas(16) float inverse[kBlocksTogether];
  _mm_store_ps(inverse, scales.inverse);
  __m256i q[kBlocksTogether];
  Block::quantize(blocks, inverse, q);
  // NaN times 0 would not be 0.
  if (const int lost = _mm_movemask_ps(_mm_castsi128_ps(scales.is_lost)); lost != 0) {
    for (int i = 0; i < kBlocksTogether; ++i) {
      if (lost >> i & 1) q[i] = _mm256_setzero_si256();
    }
  }
  __m128 tails[kBlocksTogether];
  block_tails(form, scales.scale, BlockSumHalves::of(q), tails);
  for (int i = 0; i < num_blocks; ++i, out += out_stride) {
    static_assert(offsetof(ActivationBlock, scale) == sizeof(__m256i));
    _mm256_storeu_si256(reinterpret_cast<__m256i*>(out->q), q[i]);
    _mm_storeu_ps(&out->scale, tails[i]);
  }
}

template <class Block>
void run_quantize_blocks(const QuantizeBlocksArgs& args) {
  const int num_whole = args.num_blocks / kBlocksTogether * kBlocksTogether;
  const int num_left = args.num_blocks - num_whole;
  for (int t = args.first_token; t < args.end_token; ++t) {
    ActivationBlock* out = args.blocks + activation_index(t, args.num_blocks);
    const size_t stride = activation_stride(t, args.num_tokens);
    const float* x = args.x + t * args.x_stride;
    for (int b = 0; b < num_whole; b += kBlocksTogether)
      quantize_together<Block>(args.form, x + b * kBlockColumns, kBlocksTogether, out + b * stride, stride);
    if (num_left == 0) continue;
    float padded[kBlocksTogether * kBlockColumns] = {};
    std::memcpy(padded, x + num_whole * kBlockColumns, num_left * kBlockColumns * sizeof(float));
    quantize_together<Block>(args.form, padded, num_left, out + num_whole * stride, stride);
  }
}

}  // namespace
}  // namespace switchyard
