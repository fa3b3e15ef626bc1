// Attention of query tokens of one sequence over the paged cache, for heads that share their keys and values (docs/numerics.md, operation 5):
// out = sum_j softmax_j(scale * q . k_j) v_j over the visible keys j, in chunks of 256 that are merged as a tree. Sources: arXiv 2405.04434,
// section 2.1 (MLA); arXiv 2305.13245 (GQA); arXiv 2205.14135, section 3.1 (merging of softmax over chunks).
// Called by the executor's attention blocks: for absorbed multi-head latent attention, whose heads share one latent, and for each key head of
// grouped queries. Knows nothing of sequences or of who owns a block.
//
// A key is fp32 numbers; in latent attention over INT8 values, its first ones are those of its value instead.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>

namespace switchyard {

inline constexpr int kChunkKeys = 256;
inline constexpr int kMaxMergeLevels = 24;

/// Queries (a head of a token each) that vector forms take through the keys together.
inline constexpr int kBlockQueries = 64;

/// Keys whose scores, and keys and columns of values that are taken at once: both stay in the nearest cache while all queries of a block pass.
inline constexpr int kStripKeys = 12;
inline constexpr int kPanelKeys = 96;
inline constexpr int kPanelColumns = 64;

struct PagedAttentionArgs {
  const float* q;  // [num_rows][num_heads][key_dim], rotated; rows q_stride floats apart
  size_t q_stride;
  const std::byte*
      cache;  // row of block b, token i of this layer: cache + b * block_stride + i * row_stride; strides in bytes
  size_t key_offset;     // bytes from a row to its key's floats [key_dim - int8_key_dim]
  size_t value_offset;   // bytes from a row to its value [value_dim]: fp32, which may overlap the key, or an INT8 row
  size_t block_stride;   // from one block to the next
  size_t row_stride;     // from one token of a block to the next
  bool has_int8_values;  // with their scale, as base/quantize_row.h stores a row
  int int8_key_dim;      // how many numbers of a key its INT8 value holds, before the floats: value_dim or 0
  const int32_t* block_table;  // [ceil(num_keys of the last row / block_tokens)]
  int block_tokens;
  int num_rows;  // tokens at consecutive positions; their own keys are in the cache
  int num_keys;  // of the first row: its position + 1, > 0; each row has one more than the row before it
  int window;    // how many of its last keys a row sees; 0: all
  int num_heads;
  int key_dim;
  int value_dim;
  float scale;
  float* out;  // [num_rows][num_heads][value_dim]; rows out_stride floats apart
  size_t out_stride;
  float* scratch;  // paged_attention_scratch_floats(key_dim, value_dim) floats

  /// The first key that a row of so many keys sees.
  int first_key_of(int keys) const { return window > 0 && keys > window ? keys - window : 0; }
};

/// Floats of so many that begin and end on a boundary of 64 bytes.
constexpr size_t whole_lines(int count) { return (static_cast<size_t>(count) + 15) / 16 * 16; }

/// Floats from the scores of a chunk of one query to those of the next: the last strip may be stored as a whole.
inline constexpr size_t kScoreStride = whole_lines(kChunkKeys + kStripKeys);

/// Size of PagedAttentionArgs::scratch in floats: for a block of queries their numbers, the scores of a chunk and a partial result (max, sum,
/// out) a merge level; for some keys their numbers.
constexpr size_t paged_attention_scratch_floats(int key_dim, int value_dim) {
  const size_t a_query = whole_lines(key_dim) + kScoreStride + kMaxMergeLevels * (whole_lines(value_dim) + 2);
  return whole_lines(1) + kBlockQueries * a_query + std::max(kStripKeys * key_dim, kPanelKeys * kPanelColumns);
}

void paged_attention_ref(const PagedAttentionArgs& args);
void paged_attention_avx2(const PagedAttentionArgs& args);
void paged_attention_avx512(const PagedAttentionArgs& args);

}  // namespace switchyard
