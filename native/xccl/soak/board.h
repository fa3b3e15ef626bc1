// Board: what the supervisor of a soak run and its ranks share: who lives in which epoch, who saw whom die, what was proven, what
// failed. Anonymous shared memory, mapped before the first fork. Part of native_soak only.
//
//   RankLine   wanted_epoch, killed_*: the supervisor      everything else: that rank
//   orders     the supervisor                              failure: the first that fails
//   generation the supervisor                              group_calls: rank 0
#pragma once

#include <atomic>
#include <cstdint>
#include <string>

#include "xccl/census_support.h"

namespace switchyard::xccl::soak {

using testing::Census;

inline constexpr uint32_t kNumRanksMax = 8;
inline constexpr uint32_t kNumKindsMax = 16;
inline constexpr uint32_t kTextBytes = 480;

/// One rank as another one sees it.
struct PeerSight {
  std::atomic<uint64_t> linked_epoch;                // of the link that lives
  std::atomic<uint64_t> dead_epoch;                  // the last that was announced dead
  std::atomic<int64_t> dead_ns;                      // when
  std::atomic<uint64_t> proven_epoch[kNumKindsMax];  // the last with which an operation of each kind succeeded
};

struct alignas(64) RankLine {
  std::atomic<uint64_t> wanted_epoch;
  std::atomic<uint64_t> killed_epoch;  // the last that was killed; set before the signal
  std::atomic<int64_t> killed_ns;
  std::atomic<uint32_t> quiet_order;  // the last order to be quiet that this rank has followed
  PeerSight peers[kNumRanksMax];
  Census census;
  std::atomic<uint64_t> num_checked[kNumKindsMax];  // operations of each kind whose content was right
  std::atomic<uint64_t> num_refused[kNumKindsMax];  // operations that failed because a peer had been killed
  std::atomic<int64_t>
      slowest_refusal_ns[kNumKindsMax];  // from the kill, or from the call if that came later, to the error
};

struct Board {
  std::atomic<uint32_t> quiet_order;  // raised: let what is under way end, start nothing new, then take a census
  std::atomic<uint32_t> go_order;     // set to quiet_order: go on
  std::atomic<bool> is_ending;        // everybody closes: deaths are no news any more
  std::atomic<uint32_t> generation;   // of the group of all ranks; raised with every start of a rank
  std::atomic<uint64_t> group_calls;  // generation << 32 | calls that may be begun in it; rank 0
  std::atomic<uint32_t> num_failures;
  std::atomic<bool> has_text;  // after the text
  char text[kTextBytes];
  RankLine ranks[kNumRanksMax];
};

int64_t now_ns();

/// Records a failure; the first one's text is kept.
void board_fail(Board& board, const std::string& text);

/// True when that epoch of the rank was killed, so that errors which name it are right.
inline bool was_killed(const Board& board, uint32_t rank, uint64_t epoch) {
  return board.ranks[rank].killed_epoch.load() >= epoch;
}

}  // namespace switchyard::xccl::soak
