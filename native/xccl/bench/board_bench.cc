// The shared board's barrier and failure report. Called by ranks and their parent (harness_bench.cc, rank_bench.cc).
#include "xccl/bench/board.h"

#include <sched.h>

#include <cstdio>
#include <string>

namespace switchyard::xccl::bench {

namespace {

constexpr uint32_t kNumSpins = 2'000;

}  // namespace

void board_fail(SharedBoard& board, uint32_t rank, const Status& status) {
  if (board.num_failures.fetch_add(1) > 0) return;
  board.failure_code = status.code();
  std::snprintf(board.failure_text, kTextBytes, "rank %u: %s", rank, status.message().c_str());
  board.has_failure.store(true);
}

Status board_barrier(SharedBoard& board, uint32_t num_ranks, Deadline deadline) {
  const uint32_t generation = board.generation.load();
  if (board.num_arrived.fetch_add(1) + 1 == num_ranks) {
    board.num_arrived.store(0);
    board.generation.fetch_add(1);
    return {};
  }
  for (uint32_t num_looks = 0; board.generation.load() == generation; ++num_looks) {
    if (num_looks < kNumSpins) {
      __builtin_ia32_pause();
      continue;
    }
    if (board.num_failures.load() > 0) return {Code::kClosed, "another rank failed"};
    if (std::chrono::steady_clock::now() >= deadline) return {Code::kTimeout, "not all ranks came to the barrier"};
    sched_yield();
  }
  return {};
}

}  // namespace switchyard::xccl::bench
