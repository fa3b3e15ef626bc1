// The variants behind the table in reduce.cc: the naive reference, and one file an instruction set.
#pragma once

#include "xccl/group/reduce.h"

namespace switchyard::xccl {

void reduce_tree_ref(const float* const* sources, size_t num_sources, size_t num_elements, float* out);
void reduce_tree_ref(const int32_t* const* sources, size_t num_sources, size_t num_elements, int32_t* out);
void reduce_tree_avx2(const float* const* sources, size_t num_sources, size_t num_elements, float* out);
void reduce_tree_avx2(const int32_t* const* sources, size_t num_sources, size_t num_elements, int32_t* out);
void reduce_tree_avx512(const float* const* sources, size_t num_sources, size_t num_elements, float* out);
void reduce_tree_avx512(const int32_t* const* sources, size_t num_sources, size_t num_elements, int32_t* out);

}  // namespace switchyard::xccl
