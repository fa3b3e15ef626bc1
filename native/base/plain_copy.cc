#include "base/plain_copy.h"

#include "base/plain_copy_variants.h"

// Sanitizers do not see what assembly copies.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SWITCHYARD_IS_WATCHED
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SWITCHYARD_IS_WATCHED
#endif
#endif

namespace switchyard {

void vector_copy_ref(void* dst, const void* src, size_t num_bytes) { std::memcpy(dst, src, num_bytes); }

LongCopy vector_copy_of(Isa isa) { return isa == Isa::kScalar ? vector_copy_ref : vector_copy_avx2; }

void string_copy(void* dst, const void* src, size_t num_bytes) {
#if defined(__x86_64__) && !defined(SWITCHYARD_IS_WATCHED)
  asm volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(num_bytes) : : "memory");
#else
  std::memcpy(dst, src, num_bytes);
#endif
}

void long_copy(void* dst, const void* src, size_t num_bytes) {
  static const LongCopy chosen = has_quick_string_copy() ? string_copy : vector_copy_of(available_isas().back());
  chosen(dst, src, num_bytes);
}

}  // namespace switchyard
