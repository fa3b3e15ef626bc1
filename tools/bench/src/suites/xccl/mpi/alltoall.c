/* Open MPI's side of the suite `xccl`: its all-to-all, dispatch and combine built on its all-to-all-v, and its other collectives,
   timed as ours are.
   Compiled by the suite with mpicc -I native; prints one JSON line in microseconds.

     mpirun -n RANKS alltoall SECONDS pairs BYTES
     mpirun -n RANKS alltoall SECONDS dispatch TOKENS bf16|int8
     mpirun -n RANKS alltoall SECONDS barrier|broadcast|allreduce BYTES */
#include "collectives.h"
#include "dispatch.h"
#include "sampling.h"

typedef struct {
  int num_ranks, num_bytes;
  char *sent, *got; /* [num_ranks][num_bytes] */
} Pairs;

static void run_pairs(void* state) {
  Pairs* p = state;
  MPI_Alltoall(p->sent, p->num_bytes, MPI_BYTE, p->got, p->num_bytes, MPI_BYTE, MPI_COMM_WORLD);
}

static Pairs* make_pairs(int rank, int num_ranks, int num_bytes) {
  Pairs* p = malloc(sizeof *p);
  const size_t all_bytes = (size_t)num_ranks * num_bytes;
  *p = (Pairs){num_ranks, num_bytes, make_pages(all_bytes), make_pages(all_bytes)};
  for (int peer = 0; peer < num_ranks; ++peer)
    memset(p->sent + (size_t)peer * num_bytes, rank * num_ranks + peer, num_bytes);
  return p;
}

static int are_pairs_right(Pairs* p, int rank) {
  run_pairs(p);
  for (int peer = 0; peer < p->num_ranks; ++peer)
    for (int i = 0; i < p->num_bytes; ++i)
      if (p->got[(size_t)peer * p->num_bytes + i] != (char)(peer * p->num_ranks + rank)) return 0;
  return 1;
}

static void refuse(const char* why) {
  fprintf(stderr, "alltoall: %s\n", why);
  MPI_Abort(MPI_COMM_WORLD, 1);
}

static void run_collective_mode(const char* mode, int rank, int num_ranks, int num_bytes, double seconds) {
  const int is_sum = strcmp(mode, "allreduce") == 0;
  Collective* collective = make_collective(rank, num_ranks, num_bytes, is_sum);
  if (is_sum) {
    if (!is_allreduce_right(collective)) refuse("wrong sums");
    measure(&(Operation){run_allreduce, collective}, seconds);
  } else if (strcmp(mode, "broadcast") == 0) {
    if (!is_broadcast_right(collective)) refuse("wrong bytes arrived");
    measure(&(Operation){run_broadcast, collective}, seconds);
  } else {
    measure(&(Operation){run_barrier, collective}, seconds);
  }
}

int main(int argc, char** argv) {
  MPI_Init(&argc, &argv);
  int rank, num_ranks;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  MPI_Comm_size(MPI_COMM_WORLD, &num_ranks);
  if (argc < 4) refuse("SECONDS pairs|barrier|broadcast|allreduce BYTES | SECONDS dispatch TOKENS bf16|int8");
  const double seconds = atof(argv[1]);
  const int number = atoi(argv[3]);
  if (strcmp(argv[2], "pairs") == 0) {
    Pairs* pairs = make_pairs(rank, num_ranks, number);
    if (!are_pairs_right(pairs, rank)) refuse("wrong bytes arrived");
    measure(&(Operation){run_pairs, pairs}, seconds);
  } else if (strcmp(argv[2], "dispatch") != 0) {
    run_collective_mode(argv[2], rank, num_ranks, number, seconds);
  } else {
    Dispatch* dispatch = make_dispatch(rank, num_ranks, number, argc > 4 && strcmp(argv[4], "int8") == 0);
    if (!is_dispatch_right(dispatch)) refuse("wrong sums");
    measure(&(Operation){run_dispatch, dispatch}, seconds);
  }
  MPI_Finalize();
}
