// SharedBoard: what the ranks of a bench group and their parent share: barrier, plan, samples, failures. Anonymous shared memory, made
// before the fork. For the harness only.
//
//   barrier words   all ranks         failure   the first rank that failed
//   plan            rank 0, read by the others between two barriers
//   results         rank 0, read by the parent when all ranks have ended (extras: any rank)
#pragma once

#include <atomic>
#include <cstdint>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl::bench {

inline constexpr uint32_t kSamplesMax = 1u << 20;
inline constexpr uint32_t kRepetitionsMax = 64;
inline constexpr uint32_t kExtrasMax = 32;
inline constexpr uint32_t kTextBytes = 480;

struct ExtraFigure {
  char name[56];
  double value;
};

struct SharedBoard {
  alignas(64) std::atomic<uint32_t> num_arrived;
  std::atomic<uint32_t> generation;

  alignas(64) std::atomic<uint32_t> num_failures;
  std::atomic<bool> has_failure;  // after the text
  Code failure_code;
  char failure_text[kTextBytes];

  alignas(64) uint64_t warm_iterations;  // of the next warming round; 0: the plan is made
  uint64_t batch;
  uint64_t num_batches;  // a repetition

  alignas(64) bool is_rate;
  uint64_t repetition_ns[kRepetitionsMax];
  double samples_us[kSamplesMax];  // [repetition][num_batches]
  std::atomic<uint32_t> num_extras;
  ExtraFigure extras[kExtrasMax];
};

/// Counts; the first one's text is kept.
void board_fail(SharedBoard& board, uint32_t rank, const Status& status);

/// Returns when `num_ranks` ranks are here. Closed after a failure of any rank, Timeout after the deadline.
Status board_barrier(SharedBoard& board, uint32_t num_ranks, Deadline deadline);

}  // namespace switchyard::xccl::bench
