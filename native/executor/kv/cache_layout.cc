#include "executor/kv/cache_layout.h"

#include <cstring>

#include "base/quantize_row.h"
#include "kernels/registry.h"

namespace switchyard::executor {

CacheLayout::CacheLayout(const ModelSpec& s)
    : has_int8_values(s.policy == WeightPolicy::kW8a8), value_dim(s.cached_value_dim()) {
  value_bytes = has_int8_values ? int8_row_bytes(value_dim) : value_dim * sizeof(float);
  if (s.attention == AttentionKind::kMla) {
    num_groups = 1;
    key_dim = s.cache_width();
    int8_key_dim = has_int8_values ? value_dim : 0;
    key_bytes = (key_dim - int8_key_dim) * sizeof(float);
    key_offset = has_int8_values ? value_bytes : 0;
    row_bytes = key_offset + key_bytes;
  } else {
    num_groups = s.num_kv_heads;
    key_dim = s.head_dim;
    key_bytes = key_dim * sizeof(float);
    value_offset = num_groups * key_bytes;
    row_bytes = value_offset + num_groups * value_bytes;
  }
}

void CacheLayout::store(const float* numbers, std::byte* row) const {
  if (!has_int8_values) {
    std::memcpy(row, numbers, row_bytes);
    return;
  }
  const bool is_latent = int8_key_dim > 0;
  const float* keys = numbers + (is_latent ? value_dim : 0);
  const float* values = numbers + (is_latent ? 0 : num_groups * key_dim);
  std::memcpy(row + key_offset, keys, num_groups * key_bytes);
  const QuantizeKernels& quantize = quantize_kernels_of(kernels().isa);
  for (int g = 0; g < num_groups; ++g)
    store_int8_row(quantize, values + g * value_dim, value_dim, row + value_offset + g * value_bytes);
}

}  // namespace switchyard::executor
