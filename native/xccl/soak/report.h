// Report: what a soak run says at its end, as text and as JSON.
#pragma once

#include <string>
#include <vector>

#include "xccl/soak/board.h"

namespace switchyard::xccl::soak {

/// Rounds of pods of one mode and pace.
struct PodRow {
  const char* name;
  uint32_t num_rounds = 0;
  uint32_t num_kills = 0;
  uint64_t num_checked = 0;  // events whose content was right
  uint64_t num_refused = 0;  // events that failed because a rank had been killed
  int64_t slowest_refusal_ns = 0;
};

struct SoakReport {
  uint64_t seed = 0;
  uint32_t num_ranks = 0;
  uint32_t num_kills = 0;            // of ranks under traffic
  std::vector<double> detection_ms;  // kill to announcement, one a kill and linked survivor
  std::vector<PodRow> pods;
};

/// `board` has what the traffic counted and the first failure.
void print_report(const Board& board, const SoakReport& report);

/// One object: suite, seed, ranks, kills, rows {case, checked, refused, slowestErrorMs, of pods also rounds and kills}, detection
/// {medianMs, maxMs, samples} or null, failures. False when the file cannot be written.
bool write_report(const Board& board, const SoakReport& report, const std::string& path);

}  // namespace switchyard::xccl::soak
