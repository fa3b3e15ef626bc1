/* Times an operation that all MPI ranks do together, as native/xccl/bench/rank_bench.cc does for ours: warm up, choose how many
   iterations make a sample of at least 2 ms, then take samples on rank 0 in five repetitions. Prints one JSON line. */
#pragma once

#include <math.h>
#include <mpi.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Page-aligned and touched, as our cases' buffers are: copies into less aligned memory take longer. */
static void* make_pages(size_t num_bytes) {
  const size_t num_whole = (num_bytes + 4095) / 4096 * 4096;
  void* pages = aligned_alloc(4096, num_whole);
  memset(pages, 0, num_whole);
  return pages;
}

typedef struct {
  void (*run)(void* state);
  void* state;
} Operation;

enum { kNumRepetitions = 5, kNumBatchesMin = 3, kSamplesMax = 1 << 16 };

static const double kSampleSeconds = 2e-3;
static const double kWarmRoundSeconds = 10e-3;

static double time_iterations(const Operation* operation, long num_iterations) {
  const double start = MPI_Wtime();
  for (long i = 0; i < num_iterations; ++i) operation->run(operation->state);
  return MPI_Wtime() - start;
}

/* Seconds an iteration, of the quickest warming round; the same number on all ranks. */
static double warm_up(const Operation* operation, double seconds) {
  const double start = MPI_Wtime();
  double quickest = 1e9;
  for (long num_iterations = 1; num_iterations > 0;) {
    MPI_Barrier(MPI_COMM_WORLD);
    const double took = time_iterations(operation, num_iterations);
    const int is_long_enough = took >= kWarmRoundSeconds;
    if (is_long_enough) quickest = fmin(quickest, took / num_iterations);
    if (!is_long_enough) num_iterations *= 2;
    if (is_long_enough && MPI_Wtime() - start >= seconds / 4) num_iterations = 0;
    MPI_Bcast(&num_iterations, 1, MPI_LONG, 0, MPI_COMM_WORLD);
  }
  MPI_Bcast(&quickest, 1, MPI_DOUBLE, 0, MPI_COMM_WORLD);
  return quickest;
}

static int compare_doubles(const void* a, const void* b) {
  const double x = *(const double*)a;
  const double y = *(const double*)b;
  return (x > y) - (x < y);
}

static double quantile(double* samples, long num_samples, double share) {
  qsort(samples, num_samples, sizeof *samples, compare_doubles);
  return samples[(long)(share * (num_samples - 1) + 0.5)];
}

static void print_figures(double* samples, long num_batches) {
  double sum = 0;
  for (long i = 0; i < num_batches * kNumRepetitions; ++i) sum += samples[i];
  printf("{\"values\": [");
  for (int repetition = 0; repetition < kNumRepetitions; ++repetition)
    printf("%s%.6g", repetition ? ", " : "", quantile(samples + repetition * num_batches, num_batches, 0.5));
  const long num_samples = num_batches * kNumRepetitions;
  printf("], \"mean\": %.6g, \"p50\": %.6g", sum / num_samples, quantile(samples, num_samples, 0.5));
  printf(", \"p99\": %.6g}\n", quantile(samples, num_samples, 0.99));
}

/* Microseconds an iteration, as seen by rank 0. */
static void measure(const Operation* operation, double seconds) {
  static double samples[kSamplesMax];
  const double iteration = warm_up(operation, seconds);
  const long batch = (long)fmax(1, ceil(kSampleSeconds / iteration));
  const long num_wanted = (long)(seconds / kNumRepetitions / (batch * iteration));
  const long num_batches = (long)fmin(fmax(kNumBatchesMin, num_wanted), kSamplesMax / kNumRepetitions);
  for (int repetition = 0; repetition < kNumRepetitions; ++repetition) {
    MPI_Barrier(MPI_COMM_WORLD);
    for (long i = 0; i < num_batches; ++i)
      samples[repetition * num_batches + i] = time_iterations(operation, batch) / batch * 1e6;
  }
  int rank;
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  if (rank == 0) print_figures(samples, num_batches);
}
