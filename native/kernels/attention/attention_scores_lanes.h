// Scores of a block of queries: tiles of some queries by some keys, whose sums stand in registers. A strip of keys stays in the nearest cache
// while all queries pass over it. Include after a lanes_*.h.
#pragma once

#include <cstring>
#include <span>

#include "kernels/attention/query_block.h"
#include "kernels/lanes/int8_row_lanes.h"

namespace switchyard {
namespace {

/// A tile: sums in most registers, each number that is loaded into one used several times.
inline constexpr int kScoreQueries = 4;
inline constexpr int kScoreKeys = Register::kRegisters >= 32 ? 4 : 3;

/// How far ahead rows are asked for while others are scored, for few queries: many find most of their keys in the caches.
inline constexpr int kPrefetchAhead = 2 * kStripKeys;

/// Numbers of up to kStripKeys keys.
struct KeyStrip {
  int count;
  const float* widened[kStripKeys];  // [int8_key_dim]
  const float* numbers[kStripKeys];  // [key_dim - int8_key_dim]
  float scales[kStripKeys];          // of the widened ones
};

/// Sums of a tile of queries and a strip, in lanes: [query * kStripKeys + key].
struct StripSums {
  alignas(64) float lanes[kScoreQueries * kStripKeys][16];
};

/// sums[i * kStripKeys + j] = (or +=) q[i] * keys[j], lane by lane, over `count` numbers.
template <int NumQueries, int NumKeys>
void add_products(const float* first_query, size_t q_stride, const float* const* strip_keys, int count, bool is_first,
                  float (*sums)[16]) {
  const float* q[NumQueries];
  const float* keys[NumKeys];
  for (int i = 0; i < NumQueries; ++i) q[i] = first_query + i * q_stride;
  for (int j = 0; j < NumKeys; ++j) keys[j] = strip_keys[j];
  const int whole = count / 16 * 16;
  for (int part = 0; part < 16; part += Register::kWidth) {
    Register sum[NumQueries][NumKeys];
    for (int i = 0; i < NumQueries; ++i) {
      for (int j = 0; j < NumKeys; ++j)
        sum[i][j] = is_first ? Register::zero() : Register::load(sums[i * kStripKeys + j] + part);
    }
    for (int d = part; d < whole; d += 16) {
      Register key[NumKeys];
      for (int j = 0; j < NumKeys; ++j) key[j] = Register::load(keys[j] + d);
      for (int i = 0; i < NumQueries; ++i) {
        const Register query = Register::load(q[i] + d);
        for (int j = 0; j < NumKeys; ++j) sum[i][j] = Register::fma(query, key[j], sum[i][j]);
      }
    }
    for (int i = 0; i < NumQueries; ++i) {
      for (int j = 0; j < NumKeys; ++j) sum[i][j].store(sums[i * kStripKeys + j] + part);
    }
  }
  const int rest = count - whole;
  if (rest == 0) return;
  for (int i = 0; i < NumQueries; ++i) {
    for (int j = 0; j < NumKeys; ++j) {
      float* sum = sums[i * kStripKeys + j];
      const Lanes numbers = Lanes::load_first(keys[j] + whole, rest);
      Lanes::fma(Lanes::load_first(q[i] + whole, rest), numbers, Lanes::load(sum)).store_first(sum, rest);
    }
  }
}

template <int NumQueries, int NumKeys>
void score_tile(const PagedAttentionArgs& args, const float* q, size_t q_stride, const KeyStrip& strip, int first,
                StripSums* sums) {
  float(*lanes)[16] = sums->lanes + first;
  const int int8_dim = args.int8_key_dim;
  if (int8_dim > 0) {
    add_products<NumQueries, NumKeys>(q, q_stride, strip.widened + first, int8_dim, true, lanes);
    for (int j = 0; j < NumKeys; ++j) {
      const Lanes scale = Lanes::broadcast(strip.scales[first + j]);
      for (int i = 0; i < NumQueries; ++i) {
        float* sum = lanes[i * kStripKeys + j];
        Lanes::mul(Lanes::load(sum), scale).store(sum);
      }
    }
  }
  add_products<NumQueries, NumKeys>(q + int8_dim, q_stride, strip.numbers + first, args.key_dim - int8_dim,
                                    int8_dim == 0, lanes);
}

/// Asks for some keys, which are scored soon, and for their values, which are weighed when the chunk is scored.
/// NOTE: inlined, or gcc takes it for a function without effect and leaves it out.
[[gnu::always_inline]] inline void prefetch_rows(const PagedAttentionArgs& args, const std::byte* const* rows,
                                                 int count) {
  constexpr size_t kLine = 64;
  const size_t key_bytes = (args.key_dim - args.int8_key_dim) * sizeof(float);
  const size_t value_bytes = args.has_int8_values ? int8_row_bytes(args.value_dim) : args.value_dim * sizeof(float);
  for (int j = 0; j < count; ++j) {
    const std::byte* key = rows[j] + args.key_offset;
    const std::byte* value = rows[j] + args.value_offset;
    for (size_t at = 0; at < key_bytes; at += kLine) __builtin_prefetch(key + at, 0, 3);
    for (size_t at = 0; at < value_bytes; at += kLine) __builtin_prefetch(value + at, 0, 2);
  }
}

/// Scores of NumQueries queries and the keys of a strip; to scores [query][kScoreStride], always kStripKeys of them, of which those behind the
/// strip's keys mean nothing. `later` are rows to ask for meanwhile, a tile's at a time: all at once they would hold up the loads of the tiles.
template <int NumQueries>
void score_queries(const PagedAttentionArgs& args, const float* q, size_t q_stride, const KeyStrip& strip,
                   std::span<const std::byte* const> later, StripSums* sums, float* scores) {
  int j = 0;
  for (; j + kScoreKeys <= strip.count; j += kScoreKeys) {
    prefetch_rows(args, later.data() + j, std::clamp(static_cast<int>(later.size()) - j, 0, kScoreKeys));
    score_tile<NumQueries, kScoreKeys>(args, q, q_stride, strip, j, sums);
  }
  for (; j < strip.count; ++j) score_tile<NumQueries, 1>(args, q, q_stride, strip, j, sums);
  float folded[kScoreQueries * kStripKeys];
  for (int i = 0; i < NumQueries * kStripKeys; i += 16)
    Lanes::mul(Lanes::fold_sixteen(sums->lanes + i), Lanes::broadcast(args.scale)).store(folded + i);
  // By fours: a load of what two stores wrote would wait for them.
  for (int i = 0; i < NumQueries; ++i) {
    for (int k = 0; k < kStripKeys; k += 4)
      std::memcpy(scores + i * kScoreStride + k, folded + i * kStripKeys + k, 4 * sizeof(float));
  }
}

/// Where the numbers of `count` keys stand: INT8 ones are widened into `room` [kStripKeys][int8_key_dim].
inline void read_strip(const PagedAttentionArgs& args, const std::byte* const* rows, int count, float* room,
                       KeyStrip* strip) {
  strip->count = count;
  for (int j = 0; j < count; ++j) strip->numbers[j] = reinterpret_cast<const float*>(rows[j] + args.key_offset);
  if (args.int8_key_dim == 0) return;
  for (int j = 0; j < count; ++j) {
    const std::byte* value = rows[j] + args.value_offset;
    float* widened = room + static_cast<size_t>(j) * args.int8_key_dim;
    widen_lanes(reinterpret_cast<const int8_t*>(value), args.int8_key_dim, widened);
    strip->widened[j] = widened;
    strip->scales[j] = load_int8_scale(value, args.value_dim);
  }
}

/// Scores of all queries and keys of the chunk, but for strips that no query of a tile sees.
inline void score_chunk(const PagedAttentionArgs& args, const QueryBlock& block, const Chunk& chunk,
                        const BlockScratch& scratch) {
  StripSums sums = {};
  for (int start = 0; start < chunk.count; start += kStripKeys) {
    KeyStrip strip;
    read_strip(args, chunk.rows + start, std::min(kStripKeys, chunk.count - start), scratch.numbers, &strip);
    std::span<const std::byte* const> later;
    if (block.num_queries <= kFewQueries && start + kPrefetchAhead < chunk.count)
      later = {chunk.rows + start + kPrefetchAhead,
               chunk.rows + std::min(chunk.count, start + kPrefetchAhead + kStripKeys)};
    run_query_tiles<kScoreQueries>(0, block.num_queries, [&]<int NumQueries>(int query) {
      if (chunk.end[query + NumQueries - 1] <= start || chunk.first[query] >= start + strip.count) return;
      score_queries<NumQueries>(args, scratch.q_of(query), scratch.q_stride, strip, later, &sums,
                                scratch.scores_of(query) + start);
      later = {};
    });
  }
}

}  // namespace
}  // namespace switchyard
