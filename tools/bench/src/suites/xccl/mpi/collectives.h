/* Open MPI's barrier, broadcast and all-reduce, from private memory into private memory. */
#pragma once

#include <mpi.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  int num_ranks, num_bytes;
  char *sent, *got; /* [num_bytes] */
} Collective;

static void run_barrier(void* state) {
  (void)state;
  MPI_Barrier(MPI_COMM_WORLD);
}

static void run_broadcast(void* state) {
  Collective* c = state;
  MPI_Bcast(c->sent, c->num_bytes, MPI_BYTE, 0, MPI_COMM_WORLD);
}

static void run_allreduce(void* state) {
  Collective* c = state;
  MPI_Allreduce(c->sent, c->got, c->num_bytes / (int)sizeof(float), MPI_FLOAT, MPI_SUM, MPI_COMM_WORLD);
}

/* Every byte is the rank's, or every float: what a broadcast and a sum make of it is easy to tell. */
static Collective* make_collective(int rank, int num_ranks, int num_bytes, int is_float) {
  Collective* c = malloc(sizeof *c);
  *c = (Collective){num_ranks, num_bytes, malloc(num_bytes + 1), malloc(num_bytes + 1)};
  memset(c->sent, rank + 1, num_bytes);
  memset(c->got, 0, num_bytes);
  for (int i = 0; is_float && i < num_bytes / (int)sizeof(float); ++i) ((float*)c->sent)[i] = (float)(rank + 1);
  return c;
}

static int is_broadcast_right(Collective* c) {
  run_broadcast(c);
  for (int i = 0; i < c->num_bytes; ++i)
    if (c->sent[i] != 1) return 0;
  return 1;
}

static int is_allreduce_right(Collective* c) {
  run_allreduce(c);
  const float sum = (float)(c->num_ranks * (c->num_ranks + 1) / 2);
  for (int i = 0; i < c->num_bytes / (int)sizeof(float); ++i)
    if (((float*)c->got)[i] != sum) return 0;
  return 1;
}
