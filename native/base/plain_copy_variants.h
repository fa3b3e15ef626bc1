// The variants behind plain_copy.cc.
#pragma once

#include <cstddef>

namespace switchyard {

void vector_copy_ref(void* dst, const void* src, size_t num_bytes);
void vector_copy_avx2(void* dst, const void* src, size_t num_bytes);

}  // namespace switchyard
