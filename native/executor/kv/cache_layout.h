// How a row of the KV cache lies in memory (docs/numerics.md, operations 3 and 3g): what one token leaves in one layer.
// Used by the attention blocks, which write and read rows, and by whoever makes a pool. libs/model/src/cache-row.ts has the same sizes.
//
//   MLA, fp32   [latent | rotated key]                                        all fp32
//   MLA, INT8   [latent as an INT8 row with its scale | rotated key fp32]
//   GQA, fp32   [keys of all key heads | values of all key heads]             all fp32
//   GQA, INT8   [keys of all key heads, fp32 | values of all key heads, each an INT8 row with its scale]
#pragma once

#include <cstddef>

#include "executor/model_spec.h"

namespace switchyard::executor {

struct CacheLayout {
  CacheLayout() = default;
  explicit CacheLayout(const ModelSpec& spec);

  /// numbers: [cache_width] in the order of the fp32 form.
  void store(const float* numbers, std::byte* row) const;

  bool has_int8_values = false;
  int num_groups = 0;     // heads with a key and a value of their own: one in MLA
  int key_dim = 0;        // numbers of a key
  int value_dim = 0;      // numbers of a value
  int int8_key_dim = 0;   // numbers of a key that its INT8 value holds: all but the rotated ones in MLA
  size_t key_offset = 0;  // bytes to the floats of the first group's key
  size_t key_bytes = 0;   // from one group's to the next's
  size_t value_offset = 0;
  size_t value_bytes = 0;
  size_t row_bytes = 0;  // a multiple of 4
};

}  // namespace switchyard::executor
