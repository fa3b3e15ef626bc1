// The registry of native bench cases and what a case is told and hands back. A *_bench.cc file has one table:
//   const CaseTable table{{"p2p-8B", run_small}, {"p2p-9MiB", [](const Options& o, Report* r) { ... }}};
// main_bench.cc lists and runs them. No measuring here: that is xccl/bench/harness.h and kernels/bench/kernel_case.h.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace switchyard::bench {

struct Options {
  double seconds = 1.0;  // measured time of a case; warming up comes on top
  uint32_t num_repetitions = 5;
  std::chrono::seconds patience{60};  // then all ranks are killed and the case has failed
};

struct Report {
  std::string unit = "us";     // of `values`
  std::vector<double> values;  // one a repetition
  double p50_us = 0;           // of the samples of all repetitions
  double p99_us = 0;
  double mean_us = 0;
  uint64_t num_samples = 0;
  uint64_t batch = 0;                                  // iterations a sample
  std::vector<std::pair<std::string, double>> extras;  // further figures by name, appended to the JSON line
};

struct Case {
  std::string name;
  std::function<Status(const Options&, Report*)> run;
};

inline std::vector<Case>& cases() {
  static std::vector<Case> all;
  return all;
}

struct CaseTable {
  CaseTable(std::initializer_list<Case> rows) { cases().insert(cases().end(), rows); }
  /// For rows that are made, as one for each instruction set.
  explicit CaseTable(const std::vector<Case>& rows) { cases().insert(cases().end(), rows.begin(), rows.end()); }
};

}  // namespace switchyard::bench
