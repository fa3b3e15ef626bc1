// Non-temporal stores of whole lines. The source is fetched a few lines ahead and not kept either (NTA): without that, one core does
// not have enough lines under way.
#include <immintrin.h>

#include <cstdint>
#include <cstring>

#include "xccl/copy/copy_variants.h"

namespace switchyard::xccl {
namespace {

constexpr size_t kLine = 64;
constexpr size_t kStep = 2 * kLine;
constexpr size_t kAhead = 512;

}  // namespace

void copy_stream_avx2(std::byte* dst, const std::byte* src, size_t num_bytes) {
  if (num_bytes == 0) return;
  // The stores need an aligned destination; the bytes before it are copied by themselves.
  size_t head = (kLine - reinterpret_cast<uintptr_t>(dst) % kLine) % kLine;
  if (head > num_bytes) head = num_bytes;
  std::memcpy(dst, src, head);
  dst += head;
  src += head;
  num_bytes -= head;
  for (; num_bytes >= kStep; num_bytes -= kStep, dst += kStep, src += kStep) {
    _mm_prefetch(reinterpret_cast<const char*>(src) + kAhead, _MM_HINT_NTA);
    _mm_prefetch(reinterpret_cast<const char*>(src) + kAhead + kLine, _MM_HINT_NTA);
    const auto* from = reinterpret_cast<const __m256i*>(src);
    auto* to = reinterpret_cast<__m256i*>(dst);
    const __m256i a = _mm256_loadu_si256(from);
    const __m256i b = _mm256_loadu_si256(from + 1);
    const __m256i c = _mm256_loadu_si256(from + 2);
    const __m256i d = _mm256_loadu_si256(from + 3);
    _mm256_stream_si256(to, a);
    _mm256_stream_si256(to + 1, b);
    _mm256_stream_si256(to + 2, c);
    _mm256_stream_si256(to + 3, d);
  }
  std::memcpy(dst, src, num_bytes);
  _mm_sfence();
}

}  // namespace switchyard::xccl
