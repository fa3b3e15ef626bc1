// One block of 16 rows as products with many tokens take it, made once for all of them: codes in bytes, scales in fp32.
// NOTE: include only from *_avx2.cc; same members as unpacked_block_vnni.h.
#pragma once

#include "kernels/lanes/signed_quads_avx2.h"
#include "kernels/product_block/block_lanes_avx2.h"

namespace switchyard {
namespace {

/// From here on unpacking pays: later for codes of 8 bits, which fewer tokens multiply as they are stored.
constexpr int unpacked_tokens_min(const BlockForm& form) { return form.num_bits == 8 ? 16 : 8; }

/// Codes of 4, 5 or 6 bits.
template <int kNumBits>
struct UnpackedCodes {
  using Stored = BlockSums<kNumBits>;

  struct Sums : Stored {
    static Sums begin(int32_t start) { return {Stored::begin(start)}; }
    void add_products(int quad, const typename Stored::Codes& codes, int32_t quad_of_x) {
      Stored::add_products(quad, codes, quad_of_x);
      // As SignedQuad does.
      for (__m256i& sum : this->shorts) asm("" : "+x"(sum));
    }
  };

  typename Stored::Codes quads[kBlockQuads];

  void unpack(const uint8_t* block) {
    for (int quad = 0; quad < kBlockQuads; ++quad) quads[quad] = Stored::load_codes(block, quad);
  }

  Sums begin(int32_t start) const { return Sums::begin(start); }
};

template <>
struct UnpackedCodes<8> {
  struct Sums {
    using Codes = SignedQuad;

    __m256i half[2];

    void add_products(int, const Codes& codes, int32_t quad_of_x) { codes.add_products(quad_of_x, half); }
    Lanes to_float() const { return {_mm256_cvtepi32_ps(half[0]), _mm256_cvtepi32_ps(half[1])}; }
  };

  SignedQuad quads[kBlockQuads];
  __m256i missing[2];

  void unpack(const uint8_t* block) {
    missing[0] = missing[1] = _mm256_setzero_si256();
    for (int quad = 0; quad < kBlockQuads; ++quad) quads[quad] = SignedQuad::prepare(block + 64 * quad, missing);
  }

  Sums begin(int32_t) const { return {{missing[0], missing[1]}}; }
};

}  // namespace
}  // namespace switchyard
