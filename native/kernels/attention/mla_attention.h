// Absorbed multi-head latent attention of one query token over the paged cache (docs/numerics.md, operation 5).
// Called by the executor's attention block once a row; knows nothing of sequences or of who owns a block.
#pragma once

#include <cstddef>
#include <cstdint>

namespace switchyard {

inline constexpr int kChunkKeys = 256;
inline constexpr int kMaxMergeLevels = 24;
inline constexpr int kHeadTile = 4;

struct MlaAttentionArgs {
  const float* q;              // [num_heads][latent + rope]: absorbed query, then rotated part
  const float* cache;          // block b, token i of this layer: cache + b * block_stride + i * (latent + rope)
  size_t block_stride;         // floats from one block to the next
  const int32_t* block_table;  // [ceil(num_keys / block_tokens)]
  int block_tokens;
  int num_keys;  // position of the query + 1; > 0
  int num_heads;
  int latent;
  int rope;
  float scale;
  float* out;      // [num_heads][latent]
  float* scratch;  // mla_attention_scratch_floats(latent) floats
};

/// Size of MlaAttentionArgs::scratch in floats: scores of a chunk and one partial result a merge level, for a tile of heads.
inline size_t mla_attention_scratch_floats(int latent) {
  return static_cast<size_t>(kHeadTile) * (kChunkKeys + static_cast<size_t>(kMaxMergeLevels) * (latent + 2));
}

void mla_attention_ref(const MlaAttentionArgs& args);
void mla_attention_avx2(const MlaAttentionArgs& args);
void mla_attention_avx512(const MlaAttentionArgs& args);

}  // namespace switchyard
