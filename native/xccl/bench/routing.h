// Which experts the tokens of the dispatch and combine cases visit: the same on our side (C++) and in the Open MPI program that it is
// compared with (tools/bench/src/suites/xccl/mpi/alltoall.c), so plain C. Uniform and without repetition, as a balanced router's.
#pragma once

#include <stdint.h>

enum {
  kDispatchNumExperts = 32,
  kDispatchTopK = 4,
  kDispatchHidden = 2048,
};

/// Mixes a counter into 64 random bits (splitmix64).
static inline uint64_t dispatch_random(uint64_t counter) {
  uint64_t z = (counter + 1) * 0x9e3779b97f4a7c15ull;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
  return z ^ (z >> 31);
}

/// Fills experts[kDispatchTopK] for token `token` of rank `rank`, in gate order.
static inline void dispatch_route(uint32_t rank, uint32_t token, uint32_t* experts) {
  uint64_t counter = ((uint64_t)rank << 40) | ((uint64_t)token << 16);
  for (uint32_t slot = 0; slot < kDispatchTopK;) {
    const uint32_t expert = (uint32_t)(dispatch_random(counter++) % kDispatchNumExperts);
    uint32_t seen = 0;
    while (seen < slot && experts[seen] != expert) ++seen;
    if (seen == slot) experts[slot++] = expert;
  }
}
