// Aligned stores of two lines a step; the unaligned ends are loaded first and stored last, over what the steps left.
#include <immintrin.h>

#include <cstdint>

#include "base/plain_copy_variants.h"

namespace switchyard {
namespace {

constexpr size_t kVector = sizeof(__m256i);
constexpr size_t kStep = 4 * kVector;

struct Step {
  __m256i parts[4];

  static Step load(const char* from) {
    Step step;
    for (size_t i = 0; i < 4; ++i)
      step.parts[i] = _mm256_loadu_si256(reinterpret_cast<const __m256i*>(from + i * kVector));
    return step;
  }
  void store_aligned(char* to) const {
    for (size_t i = 0; i < 4; ++i) _mm256_store_si256(reinterpret_cast<__m256i*>(to + i * kVector), parts[i]);
  }
  void store(char* to) const {
    for (size_t i = 0; i < 4; ++i) _mm256_storeu_si256(reinterpret_cast<__m256i*>(to + i * kVector), parts[i]);
  }
};

}  // namespace

void vector_copy_avx2(void* dst, const void* src, size_t num_bytes) {
  char* to = static_cast<char*>(dst);
  const char* from = static_cast<const char*>(src);
  char* const last = to + num_bytes - kStep;
  const Step head = Step::load(from);
  const Step tail = Step::load(from + num_bytes - kStep);
  char* const first = to;
  const size_t skipped = kVector - reinterpret_cast<uintptr_t>(to) % kVector;
  for (to += skipped, from += skipped; to < last; to += kStep, from += kStep) Step::load(from).store_aligned(to);
  head.store(first);
  tail.store(last);
}

}  // namespace switchyard
