// The variants behind the table in copy_bytes.cc.
#pragma once

#include <cstddef>

namespace switchyard::xccl {

void copy_stream_ref(std::byte* dst, const std::byte* src, size_t num_bytes);
void copy_stream_avx2(std::byte* dst, const std::byte* src, size_t num_bytes);

}  // namespace switchyard::xccl
