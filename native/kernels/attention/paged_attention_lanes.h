// The vector form: a tile of heads shares each key that is loaded; partial results of chunks are merged like carries of a binary counter,
// which is the tree of docs/numerics.md without recursion. Include after a lanes_*.h.
#pragma once

#include "kernels/attention/paged_attention.h"
#include "kernels/lanes/exp_lanes.h"
#include "kernels/lanes/int8_scale.h"
#include "kernels/lanes/largest_lanes.h"

namespace switchyard {
namespace {

/// Scratch of one tile of heads, cut into scores and a stack of partial results.
struct TileScratch {
  float* scores;  // [kHeadTile][kChunkKeys]
  float* stack;   // [kMaxMergeLevels][kHeadTile][value_dim + 2]: max, sum, out
  int value_dim;

  float* partial(int level, int head) const {
    return stack + (static_cast<size_t>(level) * kHeadTile + head) * (value_dim + 2);
  }
};

struct Chunk {
  const std::byte* rows[kChunkKeys];
  int count;
};

/// The visible keys of a chunk.
inline void locate_keys(const PagedAttentionArgs& args, int chunk_idx, Chunk* chunk) {
  const int start = chunk_idx * kChunkKeys;
  const int first = start > args.first_key ? start : args.first_key;
  const int end = start + kChunkKeys < args.num_keys ? start + kChunkKeys : args.num_keys;
  chunk->count = end - first;
  int block = first / args.block_tokens;
  int in_block = first % args.block_tokens;
  for (int j = 0; j < chunk->count; ++j) {
    chunk->rows[j] = args.cache + args.block_table[block] * args.block_stride + in_block * args.row_stride;
    if (++in_block == args.block_tokens) {
      in_block = 0;
      ++block;
    }
  }
}

/// sum[h] += q * key, lane by lane, over `count` numbers; queries of the heads q_stride apart.
template <int NumHeads, class Number>
[[gnu::always_inline]] inline void add_products(const float* q, int q_stride, const Number* key, int count,
                                                Lanes (&sum)[NumHeads]) {
  int d = 0;
  for (; d + 16 <= count; d += 16) {
    const Lanes numbers = Lanes::load(key + d);
    for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::fma(Lanes::load(q + h * q_stride + d), numbers, sum[h]);
  }
  if (const int rest = count - d; rest > 0) {
    const Lanes numbers = Lanes::load_first(key + d, rest);
    for (int h = 0; h < NumHeads; ++h) {
      const Lanes more = Lanes::fma(Lanes::load_first(q + h * q_stride + d, rest), numbers, sum[h]);
      sum[h] = Lanes::blend_first(more, sum[h], rest);
    }
  }
}

template <int NumHeads>
void score_keys(const PagedAttentionArgs& args, const float* q, const Chunk& chunk, float* scores) {
  const int int8_dim = args.int8_key_dim;
  for (int j = 0; j < chunk.count; ++j) {
    Lanes sum[NumHeads];
    for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::zero();
    if (int8_dim > 0) {
      const std::byte* value = chunk.rows[j] + args.value_offset;
      add_products(q, args.key_dim, reinterpret_cast<const int8_t*>(value), int8_dim, sum);
      const Lanes scale = Lanes::broadcast(load_int8_scale(value, args.value_dim));
      for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::mul(sum[h], scale);
    }
    const auto* key = reinterpret_cast<const float*>(chunk.rows[j] + args.key_offset);
    add_products(q + int8_dim, args.key_dim, key, args.key_dim - int8_dim, sum);
    for (int h = 0; h < NumHeads; ++h) scores[h * kChunkKeys + j] = sum[h].fold() * args.scale;
  }
}

/// Turns a head's scores into p_j = exp(score_j - max); returns max and the sum of p.
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
template <int NumHeads>
void scale_weights(const PagedAttentionArgs& args, const Chunk& chunk, float* p) {
  for (int j = 0; j < chunk.count; ++j) {
    const float scale = load_int8_scale(chunk.rows[j] + args.value_offset, args.value_dim);
    for (int h = 0; h < NumHeads; ++h) p[h * kChunkKeys + j] *= scale;
  }
}

template <int NumHeads, class Number>
void weigh_values(const Chunk& chunk, size_t value_offset, const float* p, const TileScratch& scratch, int level) {
  for (int c = 0; c < scratch.value_dim; c += 16) {
    const int width = scratch.value_dim - c < 16 ? scratch.value_dim - c : 16;
    Lanes sum[NumHeads];
    for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::zero();
    for (int j = 0; j < chunk.count; ++j) {
      const Number* from = reinterpret_cast<const Number*>(chunk.rows[j] + value_offset) + c;
      const Lanes value = width == 16 ? Lanes::load(from) : Lanes::load_first(from, width);
      for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::fma(Lanes::broadcast(p[h * kChunkKeys + j]), value, sum[h]);
    }
    for (int h = 0; h < NumHeads; ++h) sum[h].store_first(scratch.partial(level, h) + 2 + c, width);
  }
}

inline float exp32_one(float x) {
  float lane[16];
  exp32_lanes(Lanes::broadcast(x)).store(lane);
  return lane[0];
}

/// Merges partial b into partial a: [max, sum, out...].
inline void merge_partials(float* a, const float* b, int value_dim) {
  const float max = a[0] > b[0] ? a[0] : b[0];
  const float wa = exp32_one(a[0] - max);
  const float wb = exp32_one(b[0] - max);
  a[0] = max;
  a[1] = __builtin_fmaf(b[1], wb, a[1] * wa);
  for (int c = 0; c < value_dim; c += 16) {
    const int width = value_dim - c < 16 ? value_dim - c : 16;
    const Lanes mine = Lanes::mul(Lanes::load_first(a + 2 + c, width), Lanes::broadcast(wa));
    Lanes::fma(Lanes::load_first(b + 2 + c, width), Lanes::broadcast(wb), mine).store_first(a + 2 + c, width);
  }
}

template <int NumHeads>
void merge_top(const TileScratch& scratch, int* depth) {
  for (int h = 0; h < NumHeads; ++h)
    merge_partials(scratch.partial(*depth - 2, h), scratch.partial(*depth - 1, h), scratch.value_dim);
  --*depth;
}

template <int NumHeads>
void attend_tile(const PagedAttentionArgs& args, int first_head, const TileScratch& scratch) {
  const float* q = args.q + static_cast<size_t>(first_head) * args.key_dim;
  const int first_chunk = args.first_key / kChunkKeys;
  const int num_chunks = (args.num_keys + kChunkKeys - 1) / kChunkKeys - first_chunk;
  int depth = 0;
  for (int i = 0; i < num_chunks; ++i) {
    Chunk chunk;
    locate_keys(args, first_chunk + i, &chunk);
    score_keys<NumHeads>(args, q, chunk, scratch.scores);
    for (int h = 0; h < NumHeads; ++h) {
      float* partial = scratch.partial(depth, h);
      soften(scratch.scores + h * kChunkKeys, chunk.count, &partial[0], &partial[1]);
    }
    if (args.has_int8_values) {
      scale_weights<NumHeads>(args, chunk, scratch.scores);
      weigh_values<NumHeads, int8_t>(chunk, args.value_offset, scratch.scores, scratch, depth);
    } else {
      weigh_values<NumHeads, float>(chunk, args.value_offset, scratch.scores, scratch, depth);
    }
    ++depth;
    for (int carry = i + 1; carry % 2 == 0; carry /= 2) merge_top<NumHeads>(scratch, &depth);
  }
  while (depth > 1) merge_top<NumHeads>(scratch, &depth);
  for (int h = 0; h < NumHeads; ++h) {
    const float* partial = scratch.partial(0, h);
    const Lanes inverse = Lanes::broadcast(1.0f / partial[1]);
    float* out = args.out + static_cast<size_t>(first_head + h) * args.value_dim;
    for (int c = 0; c < args.value_dim; c += 16) {
      const int width = args.value_dim - c < 16 ? args.value_dim - c : 16;
      Lanes::mul(Lanes::load_first(partial + 2 + c, width), inverse).store_first(out + c, width);
    }
  }
}

inline void run_paged_attention(const PagedAttentionArgs& args) {
  const TileScratch scratch{args.scratch, args.scratch + kHeadTile * kChunkKeys, args.value_dim};
  int h = 0;
  for (; h + 4 <= args.num_heads; h += 4) attend_tile<4>(args, h, scratch);
  for (; h + 2 <= args.num_heads; h += 2) attend_tile<2>(args, h, scratch);
  for (; h < args.num_heads; ++h) attend_tile<1>(args, h, scratch);
}

}  // namespace
}  // namespace switchyard
