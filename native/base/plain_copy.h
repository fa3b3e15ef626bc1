// plain_copy: memcpy that uses `rep movsb` only where that is quick, for copies between segments and private memory. Called by XCCL's
// transports.
//
// From 4 KiB on the C library copies with `rep movsb` where the processor claims that it is fast. On AMD Zen 3 and 4 it is 20 times
// slower (2.7 instead of 50 GB/s) when the destination lies 1 to 63 bytes behind the source modulo 4096; and a large malloc lies
// 16 bytes behind a page, a segment at one. Vector loads and stores do not care, and are as fast otherwise. Zen 5 has no such place, and
// there `rep movsb` is quicker by far into lines that another core has: 36 KiB through a ring in 0.4 to 0.55 of the time (docs/xccl.md).
#pragma once

#include <cstddef>
#include <cstring>

#include "base/isa.h"

namespace switchyard {

inline constexpr size_t kPlainCopyLongMin = 2048;

/// For at least kPlainCopyLongMin bytes.
using LongCopy = void (*)(void* dst, const void* src, size_t num_bytes);
/// The scalar one is the C library's.
LongCopy vector_copy_of(Isa isa);
/// By `rep movsb`. Its stores are in no order among themselves, but before every later store.
void string_copy(void* dst, const void* src, size_t num_bytes);
/// By whichever is quick here, at least kPlainCopyLongMin bytes.
void long_copy(void* dst, const void* src, size_t num_bytes);

/// The ranges must not overlap. Null pointers are allowed with 0 bytes.
inline void plain_copy(void* dst, const void* src, size_t num_bytes) {
  if (num_bytes >= kPlainCopyLongMin) {
    long_copy(dst, src, num_bytes);
  } else if (num_bytes != 0) {
    std::memcpy(dst, src, num_bytes);
  }
}

}  // namespace switchyard
