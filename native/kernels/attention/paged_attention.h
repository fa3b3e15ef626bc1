// Attention of one query token over the paged cache, for heads that share their keys and values (docs/numerics.md, operation 5):
// out = sum_j softmax_j(scale * q . k_j) v_j over the visible keys j, in chunks of 256 that are merged as a tree. Sources: arXiv 2405.04434,
// section 2.1 (MLA); arXiv 2305.13245 (GQA); arXiv 2205.14135, section 3.1 (merging of softmax over chunks).
// Called by the executor's attention blocks: once a row for absorbed multi-head latent attention, whose heads share one latent; once a
// row and key head for grouped queries. Knows nothing of sequences or of who owns a block.
//
// A key is fp32 numbers; in latent attention over INT8 values, its first ones are those of its value instead.
#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard {

inline constexpr int kChunkKeys = 256;
inline constexpr int kMaxMergeLevels = 24;
inline constexpr int kHeadTile = 4;

struct PagedAttentionArgs {
  const float* q;  // [num_heads][key_dim], rotated
  const std::byte*
      cache;  // row of block b, token i of this layer: cache + b * block_stride + i * row_stride; strides in bytes
  size_t key_offset;     // bytes from a row to its key's floats [key_dim - int8_key_dim]
  size_t value_offset;   // bytes from a row to its value [value_dim]: fp32, which may overlap the key, or an INT8 row
  size_t block_stride;   // from one block to the next
  size_t row_stride;     // from one token of a block to the next
  bool has_int8_values;  // with their scale, as base/quantize_row.h stores a row
  int int8_key_dim;      // how many numbers of a key its INT8 value holds, before the floats: value_dim or 0
  const int32_t* block_table;  // [ceil(num_keys / block_tokens)]
  int block_tokens;
  int first_key;  // the first that the query sees; < num_keys
  int num_keys;   // position of the query + 1; > 0
  int num_heads;
  int key_dim;
  int value_dim;
  float scale;
  float* out;      // [num_heads][value_dim]
  float* scratch;  // paged_attention_scratch_floats(value_dim) floats
};

/// Size of PagedAttentionArgs::scratch in floats: scores of a chunk and one partial result a merge level, for a tile of heads.
inline size_t paged_attention_scratch_floats(int value_dim) {
  return static_cast<size_t>(kHeadTile) * (kChunkKeys + static_cast<size_t>(kMaxMergeLevels) * (value_dim + 2));
}

void paged_attention_ref(const PagedAttentionArgs& args);
void paged_attention_avx2(const PagedAttentionArgs& args);
void paged_attention_avx512(const PagedAttentionArgs& args);

}  // namespace switchyard
