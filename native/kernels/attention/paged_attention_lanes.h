// The vector form: a tile of heads shares each key that is loaded; partial results of chunks are merged like carries of a binary counter,
// which is the tree of docs/numerics.md without recursion. Include after a lanes_*.h.
#pragma once

#include <algorithm>

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

/// Keys of a step: as many chains of sums as hide the latency of fma, or as registers hold.
template <int NumHeads>
constexpr int kKeysTogether = std::clamp(Lanes::kRegisters / (4 * NumHeads), 1, 4);

/// Columns of values of a step, in sixteens.
template <int NumHeads>
constexpr int kColumnsTogether = std::clamp(Lanes::kRegisters / (2 * NumHeads), 1, 4);

/// sum[j][h] += q[h] * key[j], lane by lane, over `count` numbers; queries of the heads q_stride apart.
template <int NumKeys, int NumHeads, class Number>
[[gnu::always_inline]] inline void add_products(const float* q, int q_stride, const Number* const (&keys)[NumKeys],
                                                int count, Lanes (&sum)[NumKeys][NumHeads]) {
  int d = 0;
  for (; d + 16 <= count; d += 16) {
    Lanes numbers[NumKeys];
    for (int j = 0; j < NumKeys; ++j) numbers[j] = Lanes::load(keys[j] + d);
    for (int h = 0; h < NumHeads; ++h) {
      const Lanes query = Lanes::load(q + h * q_stride + d);
      for (int j = 0; j < NumKeys; ++j) sum[j][h] = Lanes::fma(query, numbers[j], sum[j][h]);
    }
  }
  if (const int rest = count - d; rest > 0) {
    for (int j = 0; j < NumKeys; ++j) {
      const Lanes numbers = Lanes::load_first(keys[j] + d, rest);
      for (int h = 0; h < NumHeads; ++h) {
        const Lanes more = Lanes::fma(Lanes::load_first(q + h * q_stride + d, rest), numbers, sum[j][h]);
        sum[j][h] = Lanes::blend_first(more, sum[j][h], rest);
      }
    }
  }
}

template <int NumHeads>
inline void fold_heads(const Lanes (&sums)[NumHeads], float (&folded)[NumHeads]) {
  if constexpr (NumHeads == 4) {
    Lanes::fold_four(sums, folded);
  } else {
    for (int h = 0; h < NumHeads; ++h) folded[h] = sums[h].fold();
  }
}

/// Scores of keys [first, first + NumKeys) of the chunk.
template <int NumKeys, int NumHeads>
[[gnu::always_inline]] inline void score_some(const PagedAttentionArgs& args, const float* q, const Chunk& chunk,
                                              int first, float* scores) {
  const int int8_dim = args.int8_key_dim;
  Lanes sum[NumKeys][NumHeads];
  const float* keys[NumKeys];
  for (int j = 0; j < NumKeys; ++j) {
    for (int h = 0; h < NumHeads; ++h) sum[j][h] = Lanes::zero();
    keys[j] = reinterpret_cast<const float*>(chunk.rows[first + j] + args.key_offset);
  }
  if (int8_dim > 0) {
    const int8_t* values[NumKeys];
    for (int j = 0; j < NumKeys; ++j)
      values[j] = reinterpret_cast<const int8_t*>(chunk.rows[first + j] + args.value_offset);
    add_products(q, args.key_dim, values, int8_dim, sum);
    for (int j = 0; j < NumKeys; ++j) {
      const auto* value = reinterpret_cast<const std::byte*>(values[j]);
      const Lanes scale = Lanes::broadcast(load_int8_scale(value, args.value_dim));
      for (int h = 0; h < NumHeads; ++h) sum[j][h] = Lanes::mul(sum[j][h], scale);
    }
  }
  add_products(q + int8_dim, args.key_dim, keys, args.key_dim - int8_dim, sum);
  for (int j = 0; j < NumKeys; ++j) {
    float folded[NumHeads];
    fold_heads(sum[j], folded);
    for (int h = 0; h < NumHeads; ++h) scores[h * kChunkKeys + first + j] = folded[h] * args.scale;
  }
}

template <int NumHeads>
void score_keys(const PagedAttentionArgs& args, const float* q, const Chunk& chunk, float* scores) {
  constexpr int kTogether = kKeysTogether<NumHeads>;
  int j = 0;
  for (; j + kTogether <= chunk.count; j += kTogether) score_some<kTogether, NumHeads>(args, q, chunk, j, scores);
  for (; j < chunk.count; ++j) score_some<1, NumHeads>(args, q, chunk, j, scores);
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

/// out[c ..] of each head: the values' columns [c, c + 16 * NumColumns), weighed and added in ascending order of keys.
template <int NumHeads, int NumColumns, class Number>
void weigh_columns(const Chunk& chunk, size_t value_offset, int c, const float* p, const TileScratch& scratch,
                   int level) {
  Lanes sum[NumHeads][NumColumns];
  for (int h = 0; h < NumHeads; ++h) {
    for (int i = 0; i < NumColumns; ++i) sum[h][i] = Lanes::zero();
  }
  for (int j = 0; j < chunk.count; ++j) {
    const Number* from = reinterpret_cast<const Number*>(chunk.rows[j] + value_offset) + c;
    Lanes value[NumColumns];
    for (int i = 0; i < NumColumns; ++i) value[i] = Lanes::load(from + 16 * i);
    for (int h = 0; h < NumHeads; ++h) {
      const Lanes weight = Lanes::broadcast(p[h * kChunkKeys + j]);
      for (int i = 0; i < NumColumns; ++i) sum[h][i] = Lanes::fma(weight, value[i], sum[h][i]);
    }
  }
  for (int h = 0; h < NumHeads; ++h) {
    for (int i = 0; i < NumColumns; ++i) sum[h][i].store(scratch.partial(level, h) + 2 + c + 16 * i);
  }
}

/// The columns behind the last sixteen.
template <int NumHeads, class Number>
void weigh_rest(const Chunk& chunk, size_t value_offset, int c, const float* p, const TileScratch& scratch, int level) {
  const int width = scratch.value_dim - c;
  Lanes sum[NumHeads];
  for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::zero();
  for (int j = 0; j < chunk.count; ++j) {
    const Lanes value = Lanes::load_first(reinterpret_cast<const Number*>(chunk.rows[j] + value_offset) + c, width);
    for (int h = 0; h < NumHeads; ++h) sum[h] = Lanes::fma(Lanes::broadcast(p[h * kChunkKeys + j]), value, sum[h]);
  }
  for (int h = 0; h < NumHeads; ++h) sum[h].store_first(scratch.partial(level, h) + 2 + c, width);
}

template <int NumHeads, class Number>
void weigh_values(const Chunk& chunk, size_t value_offset, const float* p, const TileScratch& scratch, int level) {
  constexpr int kTogether = kColumnsTogether<NumHeads>;
  int c = 0;
  for (; c + 16 * kTogether <= scratch.value_dim; c += 16 * kTogether)
    weigh_columns<NumHeads, kTogether, Number>(chunk, value_offset, c, p, scratch, level);
  for (; c + 16 <= scratch.value_dim; c += 16)
    weigh_columns<NumHeads, 1, Number>(chunk, value_offset, c, p, scratch, level);
  if (c < scratch.value_dim) weigh_rest<NumHeads, Number>(chunk, value_offset, c, p, scratch, level);
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
