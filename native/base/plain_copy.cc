#include "base/plain_copy.h"

#include "base/plain_copy_variants.h"

namespace switchyard {

void vector_copy_ref(void* dst, const void* src, size_t num_bytes) { std::memcpy(dst, src, num_bytes); }

VectorCopy vector_copy_of(Isa isa) { return isa == Isa::kScalar ? vector_copy_ref : vector_copy_avx2; }

void vector_copy(void* dst, const void* src, size_t num_bytes) {
  static const VectorCopy chosen = vector_copy_of(available_isas().back());
  chosen(dst, src, num_bytes);
}

}  // namespace switchyard
