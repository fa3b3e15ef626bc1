/* Dispatch and combine for expert parallelism over MPI_Alltoallv, with the packing of ours: a token's row travels once to each
   rank that has experts of it, with its local experts behind it; a row comes back for each (token, expert); the sum is formed in
   gate order. Rows travel as bf16, or as int8 with one fp32 scale, either way. What experts compute lies ready in the format that it
   travels in, as in our case, and is sent from there. */
#pragma once

#include <math.h>
#include <mpi.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "sampling.h"
#include "xccl/bench/routing.h"

enum {
  kBf16Bytes = kDispatchHidden * 2,
  kInt8Bytes = kDispatchHidden + 4,
  kMetaBytes = kDispatchTopK * 4,
};

/* Buffers have room for the most that any rank may send, in a fixed place a rank; counts are in bytes, for MPI. */
typedef struct {
  int num_ranks, num_tokens;
  int is_int8_there, is_int8_back;
  int row_bytes;              /* of a dispatched row with its meta data */
  int out_bytes;              /* of a row that comes back */
  uint16_t* tokens;           /* [num_tokens][hidden] bf16 */
  uint32_t* experts;          /* [num_tokens][top_k] */
  float* gates;               /* [num_tokens][top_k] */
  char *send_rows, *got_rows; /* [num_ranks][num_tokens][row_bytes] */
  char *computed, *got_out;   /* [num_ranks][num_tokens * top_k][out_bytes]: the experts' outputs, a row a pair */
  char** outs;                /* [num_tokens][top_k]: the pair's row in got_out */
  uint16_t* result;           /* [num_tokens][hidden] bf16 */
  int *row_offsets, *out_offsets;
  int *sent_counts, *got_counts;        /* of dispatched rows */
  int *reply_counts, *reply_got_counts; /* of the pairs' rows */
} Dispatch;

static float float_of_bf16(uint16_t bits) {
  const uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static uint16_t bf16_of_float(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  return (uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
}

static int rank_of(const Dispatch* d, uint32_t expert) { return (int)(expert * d->num_ranks / kDispatchNumExperts); }

/* Symmetric, to nearest even, the scale behind the values. */
static void quantise(const uint16_t* token, char* row) {
  float values[kDispatchHidden];
  float largest = 0;
  for (int i = 0; i < kDispatchHidden; ++i) values[i] = float_of_bf16(token[i]);
  for (int i = 0; i < kDispatchHidden; ++i) largest = fmaxf(largest, fabsf(values[i]));
  const float scale = largest / 127;
  const float inverse = largest > 0 ? 127 / largest : 0;
  for (int i = 0; i < kDispatchHidden; ++i) row[i] = (char)(int)rintf(values[i] * inverse);
  memcpy(row + kDispatchHidden, &scale, sizeof scale);
}

/* One destination's row of a token: values, then for each gate slot the expert there, or -1 for an expert of another rank. */
static void pack_row(Dispatch* d, int token, int dest, const void* values) {
  char* row = d->send_rows + d->row_offsets[dest] + d->sent_counts[dest];
  memcpy(row, values, d->row_bytes - kMetaBytes);
  int32_t meta[kDispatchTopK];
  for (int slot = 0; slot < kDispatchTopK; ++slot) {
    const int pair = token * kDispatchTopK + slot;
    const int is_there = rank_of(d, d->experts[pair]) == dest;
    meta[slot] = is_there ? (int32_t)d->experts[pair] : -1;
    if (!is_there) continue;
    d->outs[pair] = d->got_out + d->out_offsets[dest] + d->reply_got_counts[dest];
    d->reply_got_counts[dest] += d->out_bytes;
  }
  memcpy(row + d->row_bytes - kMetaBytes, meta, kMetaBytes);
  d->sent_counts[dest] += d->row_bytes;
}

/* Has an earlier gate slot an expert of the same rank? Then the row is packed already. */
static int is_packed(const Dispatch* d, int token, int slot) {
  const uint32_t* experts = d->experts + token * kDispatchTopK;
  for (int before = 0; before < slot; ++before)
    if (rank_of(d, experts[before]) == rank_of(d, experts[slot])) return 1;
  return 0;
}

static void pack_all(Dispatch* d) {
  memset(d->sent_counts, 0, d->num_ranks * sizeof(int));
  memset(d->reply_got_counts, 0, d->num_ranks * sizeof(int));
  for (int token = 0; token < d->num_tokens; ++token) {
    char quantised[kInt8Bytes];
    const uint16_t* values = d->tokens + (size_t)token * kDispatchHidden;
    if (d->is_int8_there) quantise(values, quantised);
    for (int slot = 0; slot < kDispatchTopK; ++slot) {
      if (is_packed(d, token, slot)) continue;
      const int dest = rank_of(d, d->experts[token * kDispatchTopK + slot]);
      pack_row(d, token, dest, d->is_int8_there ? (const void*)quantised : values);
    }
  }
}

/* What the received rows ask for: a row back for each pair. */
static void count_replies(Dispatch* d) {
  for (int source = 0; source < d->num_ranks; ++source) {
    const char* rows = d->got_rows + d->row_offsets[source];
    int num_pairs = 0;
    for (int at = d->row_bytes - kMetaBytes; at < d->got_counts[source]; at += d->row_bytes) {
      int32_t meta[kDispatchTopK];
      memcpy(meta, rows + at, kMetaBytes);
      for (int slot = 0; slot < kDispatchTopK; ++slot) num_pairs += meta[slot] >= 0;
    }
    d->reply_counts[source] = num_pairs * d->out_bytes;
  }
}

static void add_row(const Dispatch* d, const char* out, float gate, float* sum) {
  if (d->is_int8_back) {
    float scale;
    memcpy(&scale, out + kDispatchHidden, sizeof scale);
    const int8_t* values = (const int8_t*)out;
    for (int i = 0; i < kDispatchHidden; ++i) sum[i] += gate * (scale * values[i]);
  } else {
    const uint16_t* values = (const uint16_t*)out;
    for (int i = 0; i < kDispatchHidden; ++i) sum[i] += gate * float_of_bf16(values[i]);
  }
}

static void combine(Dispatch* d) {
  for (int token = 0; token < d->num_tokens; ++token) {
    float sum[kDispatchHidden] = {0};
    for (int slot = 0; slot < kDispatchTopK; ++slot) {
      const int pair = token * kDispatchTopK + slot;
      add_row(d, d->outs[pair], d->gates[pair], sum);
    }
    uint16_t* result = d->result + (size_t)token * kDispatchHidden;
    for (int i = 0; i < kDispatchHidden; ++i) result[i] = bf16_of_float(sum[i]);
  }
}

static void run_dispatch(void* state) {
  Dispatch* d = state;
  pack_all(d);
  MPI_Alltoall(d->sent_counts, 1, MPI_INT, d->got_counts, 1, MPI_INT, MPI_COMM_WORLD);
  MPI_Alltoallv(d->send_rows, d->sent_counts, d->row_offsets, MPI_BYTE, d->got_rows, d->got_counts, d->row_offsets,
                MPI_BYTE, MPI_COMM_WORLD);
  count_replies(d);
  MPI_Alltoallv(d->computed, d->reply_counts, d->out_offsets, MPI_BYTE, d->got_out, d->reply_got_counts, d->out_offsets,
                MPI_BYTE, MPI_COMM_WORLD);
  combine(d);
}

static void make_buffers(Dispatch* d) {
  const size_t num_pairs = (size_t)d->num_tokens * kDispatchTopK;
  const size_t row_space = (size_t)d->num_tokens * d->row_bytes;
  const size_t out_space = num_pairs * d->out_bytes;
  d->tokens = make_pages((size_t)d->num_tokens * kBf16Bytes);
  d->result = make_pages((size_t)d->num_tokens * kBf16Bytes);
  d->experts = malloc(num_pairs * sizeof *d->experts);
  d->gates = malloc(num_pairs * sizeof *d->gates);
  d->outs = malloc(num_pairs * sizeof *d->outs);
  d->send_rows = make_pages(d->num_ranks * row_space);
  d->got_rows = make_pages(d->num_ranks * row_space);
  d->computed = make_pages(d->num_ranks * out_space);
  d->got_out = make_pages(d->num_ranks * out_space);
  int* counts = calloc(6 * d->num_ranks, sizeof(int));
  int** arrays[] = {&d->row_offsets, &d->out_offsets,  &d->sent_counts,
                    &d->got_counts,  &d->reply_counts, &d->reply_got_counts};
  for (int i = 0; i < 6; ++i) *arrays[i] = counts + i * d->num_ranks;
  for (int rank = 0; rank < d->num_ranks; ++rank) {
    d->row_offsets[rank] = (int)(rank * row_space);
    d->out_offsets[rank] = (int)(rank * out_space);
  }
}

/* Tokens of small random values; every expert output is 1, so that the result is the sum of the gates. */
static Dispatch* make_dispatch(int rank, int num_ranks, int num_tokens, int is_int8_there, int is_int8_back) {
  Dispatch* d = calloc(1, sizeof *d);
  d->num_ranks = num_ranks;
  d->num_tokens = num_tokens;
  d->is_int8_there = is_int8_there;
  d->is_int8_back = is_int8_back;
  d->row_bytes = (is_int8_there ? kInt8Bytes : kBf16Bytes) + kMetaBytes;
  d->out_bytes = is_int8_back ? kInt8Bytes : kBf16Bytes;
  make_buffers(d);
  const uint64_t first = (uint64_t)rank << 32;
  for (int i = 0; i < num_tokens * kDispatchHidden; ++i)
    d->tokens[i] = bf16_of_float((float)(dispatch_random(first + i) % 2001) / 1000 - 1);
  for (int token = 0; token < num_tokens; ++token) dispatch_route(rank, token, d->experts + token * kDispatchTopK);
  for (int pair = 0; pair < num_tokens * kDispatchTopK; ++pair) d->gates[pair] = 1.0f / (1 << (pair % kDispatchTopK));
  uint16_t ones[kDispatchHidden];
  for (int i = 0; i < kDispatchHidden; ++i) ones[i] = bf16_of_float(1);
  const size_t num_computed = (size_t)num_ranks * num_tokens * kDispatchTopK;
  for (size_t pair = 0; pair < num_computed; ++pair) {
    char* row = d->computed + pair * d->out_bytes;
    if (is_int8_back) {
      quantise(ones, row);
    } else {
      memcpy(row, ones, sizeof ones);
    }
  }
  return d;
}

static int is_dispatch_right(Dispatch* d) {
  run_dispatch(d);
  for (int i = 0; i < d->num_tokens * kDispatchHidden; ++i)
    if (float_of_bf16(d->result[i]) != 1.875f) return 0;
  return 1;
}
