// The end of four folds at once, each from eight lanes, in the order of fold16: half the shuffles of one after the other. Included by lanes_*.h.
#pragma once

#include <immintrin.h>

namespace switchyard {
namespace {

/// out[i] = fold of eight[i].
inline void fold_four_of_eight(const __m256 (&eight)[4], float (&out)[4]) {
  const auto four_of = [](__m256 a, __m256 b) {
    return _mm256_add_ps(_mm256_permute2f128_ps(a, b, 0x20), _mm256_permute2f128_ps(a, b, 0x31));
  };
  const __m256 first = four_of(eight[0], eight[1]);  // [4 of 0 | 4 of 1]
  const __m256 second = four_of(eight[2], eight[3]);
  const __m256 two = _mm256_add_ps(_mm256_shuffle_ps(first, second, _MM_SHUFFLE(1, 0, 1, 0)),
                                   _mm256_shuffle_ps(first, second, _MM_SHUFFLE(3, 2, 3, 2)));
  const __m256 one = _mm256_add_ps(two, _mm256_movehdup_ps(two));  // of 0, -, of 2, - | of 1, -, of 3, -
  float lanes[8];
  _mm256_storeu_ps(lanes, one);
  out[0] = lanes[0];
  out[1] = lanes[4];
  out[2] = lanes[2];
  out[3] = lanes[6];
}

}  // namespace
}  // namespace switchyard
