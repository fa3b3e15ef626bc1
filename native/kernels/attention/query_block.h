// What passes over the keys together in the vector forms of attention: a block of queries, and the keys of a chunk that they see. In an
// anonymous namespace, as all of theirs: code of one instruction set must not be merged with another's.
#pragma once

#include <algorithm>

#include "kernels/attention/paged_attention.h"

namespace switchyard {
namespace {

/// A block of so few queries, or fewer, waits for its keys more than for its products.
inline constexpr int kFewQueries = 16;

/// Queries whose keys lie in the same chunks, in ascending order of rows: of an earlier one the visible keys neither begin nor end later.
struct QueryBlock {
  int num_queries;
  int first_chunk;
  int num_chunks;
  float* out[kBlockQueries];     // [value_dim]
  int first_key[kBlockQueries];  // of the keys that it sees
  int num_keys[kBlockQueries];   // up to its own
};

/// The scratch of a block of queries, each part on a boundary of 64 bytes.
struct BlockScratch {
  explicit BlockScratch(const PagedAttentionArgs& args)
      : q_stride(whole_lines(args.key_dim)),
        out_stride(whole_lines(args.value_dim)),
        q(reinterpret_cast<float*>((reinterpret_cast<uintptr_t>(args.scratch) + 63) / 64 * 64)),
        scores(q + kBlockQueries * q_stride),
        outs(scores + kBlockQueries * kScoreStride),
        maxima(outs + kMaxMergeLevels * kBlockQueries * out_stride),
        sums(maxima + kMaxMergeLevels * kBlockQueries),
        numbers(sums + kMaxMergeLevels * kBlockQueries) {}

  float* q_of(int query) const { return q + query * q_stride; }
  float* scores_of(int query) const { return scores + query * kScoreStride; }
  float* out(int level, int query) const { return outs + slot(level, query) * out_stride; }
  float* max(int level, int query) const { return maxima + slot(level, query); }
  float* sum(int level, int query) const { return sums + slot(level, query); }
  static size_t slot(int level, int query) { return static_cast<size_t>(level) * kBlockQueries + query; }

  size_t q_stride;
  size_t out_stride;
  float* q;        // [kBlockQueries][q_stride]
  float* scores;   // [kBlockQueries][kScoreStride]: p in the end
  float* outs;     // [kMaxMergeLevels][kBlockQueries][out_stride]: a stack of partial results, as the next two
  float* maxima;   // [kMaxMergeLevels][kBlockQueries]
  float* sums;     // [kMaxMergeLevels][kBlockQueries]
  float* numbers;  // [kStripKeys][key_dim] or [kPanelKeys][kPanelColumns]: of INT8 rows, widened
};

/// Keys of a chunk that a query of the block sees.
struct Chunk {
  const std::byte* rows[kChunkKeys];
  int count;
  int first[kBlockQueries];  // of the keys that each query sees, from rows[0] on
  int end[kBlockQueries];
};

inline void locate_keys(const PagedAttentionArgs& args, const QueryBlock& block, int chunk_idx, Chunk* chunk) {
  const int start = std::max(chunk_idx * kChunkKeys, block.first_key[0]);
  const int end = std::min((chunk_idx + 1) * kChunkKeys, block.num_keys[block.num_queries - 1]);
  chunk->count = end - start;
  int block_idx = start / args.block_tokens;
  int in_block = start % args.block_tokens;
  for (int j = 0; j < chunk->count; ++j) {
    chunk->rows[j] = args.cache + args.block_table[block_idx] * args.block_stride + in_block * args.row_stride;
    if (++in_block == args.block_tokens) {
      in_block = 0;
      ++block_idx;
    }
  }
  for (int i = 0; i < block.num_queries; ++i) {
    chunk->first[i] = std::max(start, block.first_key[i]) - start;
    chunk->end[i] = std::min(end, block.num_keys[i]) - start;
  }
}

/// run<queries>(first query) over all of them in tiles of Tile, the rest in the next smaller powers of two.
template <int Tile, class Run>
inline void run_query_tiles(int first, int num_queries, const Run& run) {
  for (; first + Tile <= num_queries; first += Tile) run.template operator()<Tile>(first);
  if constexpr (Tile > 1) run_query_tiles<Tile / 2>(first, num_queries, run);
}

}  // namespace
}  // namespace switchyard
