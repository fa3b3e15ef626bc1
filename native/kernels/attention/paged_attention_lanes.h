// The vector form: a block of queries passes over the keys of a chunk together; partial results of chunks are merged like carries of a binary
// counter, which is the tree of docs/numerics.md without recursion. Include after a lanes_*.h.
#pragma once

#include <cstring>

#include "kernels/attention/attention_scores_lanes.h"
#include "kernels/attention/attention_values_lanes.h"
#include "kernels/lanes/exp_lanes.h"
#include "kernels/lanes/largest_lanes.h"

namespace switchyard {
namespace {

/// Turns a query's scores into p_j = exp(score_j - max); returns max and the sum of p.
inline void soften(float* scores, int count, float* max_out, float* sum_out) {
  const float max = largest_lanes(scores, count);
  const Lanes shift = Lanes::broadcast(max);
  Lanes sum = Lanes::zero();
  int j = 0;
  for (; j + 16 <= count; j += 16) {
    const Lanes p = exp32_lanes(Lanes::sub(Lanes::load(scores + j), shift));
    p.store(scores + j);
    sum = Lanes::add(sum, p);
  }
  if (const int rest = count - j; rest > 0) {
    const Lanes p = exp32_lanes(Lanes::sub(Lanes::load_first(scores + j, rest), shift));
    p.store_first(scores + j, rest);
    sum = Lanes::blend_first(Lanes::add(sum, p), sum, rest);
  }
  *max_out = max;
  *sum_out = sum.fold();
}

/// Turns p_j into the weight of the numbers of an INT8 value: p_j times its scale.
inline void scale_weights(const PagedAttentionArgs& args, const QueryBlock& block, const Chunk& chunk,
                          const BlockScratch& scratch) {
  float scales[kChunkKeys];
  for (int j = 0; j < chunk.count; ++j) scales[j] = load_int8_scale(chunk.rows[j] + args.value_offset, args.value_dim);
  for (int i = 0; i < block.num_queries; ++i) {
    float* p = scratch.scores_of(i);
    for (int j = chunk.first[i]; j < chunk.end[i]; ++j) p[j] *= scales[j];
  }
}

inline void attend_chunk(const PagedAttentionArgs& args, const QueryBlock& block, int chunk_idx,
                         const BlockScratch& scratch, int level) {
  Chunk chunk;
  locate_keys(args, block, chunk_idx, &chunk);
  score_chunk(args, block, chunk, scratch);
  for (int i = 0; i < block.num_queries; ++i) {
    soften(scratch.scores_of(i) + chunk.first[i], chunk.end[i] - chunk.first[i], scratch.max(level, i),
           scratch.sum(level, i));
  }
  if (args.has_int8_values) scale_weights(args, block, chunk, scratch);
  weigh_chunk(args, block, chunk, scratch, level);
}

inline float exp32_one(float x) {
  float lane[16];
  exp32_lanes(Lanes::broadcast(x)).store(lane);
  return lane[0];
}

/// Merges a query's partial result of level + 1 into that of level.
inline void merge_partials(const BlockScratch& scratch, int value_dim, int level, int query) {
  float& max_a = *scratch.max(level, query);
  const float max_b = *scratch.max(level + 1, query);
  const float max = max_a > max_b ? max_a : max_b;
  const float wa = exp32_one(max_a - max);
  const float wb = exp32_one(max_b - max);
  float& sum = *scratch.sum(level, query);
  max_a = max;
  sum = __builtin_fmaf(*scratch.sum(level + 1, query), wb, sum * wa);
  float* a = scratch.out(level, query);
  const float* b = scratch.out(level + 1, query);
  for (int c = 0; c < value_dim; c += 16) {
    const int width = std::min(16, value_dim - c);
    const Lanes mine = Lanes::mul(Lanes::load_first(a + c, width), Lanes::broadcast(wa));
    Lanes::fma(Lanes::load_first(b + c, width), Lanes::broadcast(wb), mine).store_first(a + c, width);
  }
}

/// Merges the two partial results on top of the stack.
inline void merge_top(const PagedAttentionArgs& args, const QueryBlock& block, const BlockScratch& scratch,
                      int* depth) {
  --*depth;
  for (int i = 0; i < block.num_queries; ++i) merge_partials(scratch, args.value_dim, *depth - 1, i);
}

inline void attend_block(const PagedAttentionArgs& args, const QueryBlock& block, const BlockScratch& scratch) {
  int depth = 0;
  for (int i = 0; i < block.num_chunks; ++i) {
    attend_chunk(args, block, block.first_chunk + i, scratch, depth);
    ++depth;
    for (int carry = i + 1; carry % 2 == 0; carry /= 2) merge_top(args, block, scratch, &depth);
  }
  while (depth > 1) merge_top(args, block, scratch, &depth);
  for (int i = 0; i < block.num_queries; ++i) {
    const float* result = scratch.out(0, i);
    const Lanes inverse = Lanes::broadcast(1.0f / *scratch.sum(0, i));
    for (int c = 0; c < args.value_dim; c += 16) {
      const int width = std::min(16, args.value_dim - c);
      Lanes::mul(Lanes::load_first(result + c, width), inverse).store_first(block.out[i] + c, width);
    }
  }
}

/// As many rows from first_row on as fit into a block, with these heads, and have their keys in the same chunks; returns how many.
inline int gather_block(const PagedAttentionArgs& args, int first_row, int first_head, int num_heads,
                        const BlockScratch& scratch, QueryBlock* block) {
  const auto first_chunk_of = [&](int keys) { return args.first_key_of(keys) / kChunkKeys; };
  const auto end_chunk_of = [](int keys) { return (keys + kChunkKeys - 1) / kChunkKeys; };
  const int first_keys = args.num_keys + first_row;
  block->first_chunk = first_chunk_of(first_keys);
  block->num_chunks = end_chunk_of(first_keys) - block->first_chunk;
  block->num_queries = 0;
  int row = first_row;
  for (; row < args.num_rows && block->num_queries + num_heads <= kBlockQueries; ++row) {
    const int keys = args.num_keys + row;
    if (first_chunk_of(keys) != block->first_chunk || end_chunk_of(keys) != end_chunk_of(first_keys)) break;
    for (int h = first_head; h < first_head + num_heads; ++h) {
      const int i = block->num_queries++;
      std::memcpy(scratch.q_of(i), args.q + row * args.q_stride + static_cast<size_t>(h) * args.key_dim,
                  args.key_dim * sizeof(float));
      block->out[i] = args.out + row * args.out_stride + static_cast<size_t>(h) * args.value_dim;
      block->first_key[i] = args.first_key_of(keys);
      block->num_keys[i] = keys;
    }
  }
  return row - first_row;
}

inline void run_paged_attention(const PagedAttentionArgs& args) {
  const BlockScratch scratch(args);
  for (int h = 0; h < args.num_heads; h += kBlockQueries) {
    const int num_heads = std::min(kBlockQueries, args.num_heads - h);
    for (int row = 0; row < args.num_rows;) {
      QueryBlock block;
      row += gather_block(args, row, h, num_heads, scratch, &block);
      attend_block(args, block, scratch);
    }
  }
}

}  // namespace
}  // namespace switchyard
