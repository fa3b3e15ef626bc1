#include "xccl/soak/report.h"

#include <algorithm>
#include <cstdio>

#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

struct TrafficRow {
  const char* name;
  uint64_t num_checked = 0;
  uint64_t num_refused = 0;
  int64_t slowest_refusal_ns = 0;
};

struct Detection {
  double median_ms;
  double max_ms;
};

std::vector<TrafficRow> sum_traffic(const Board& board, const SoakReport& report) {
  std::vector<TrafficRow> rows;
  for (uint32_t kind = 0; kind < kNumTrafficKinds && report.num_ranks > 0; ++kind) {
    TrafficRow row{kTrafficKinds[kind].name};
    for (uint32_t rank = 0; rank < report.num_ranks; ++rank) {
      const RankLine& line = board.ranks[rank];
      row.num_checked += line.num_checked[kind].load();
      row.num_refused += line.num_refused[kind].load();
      row.slowest_refusal_ns = std::max(row.slowest_refusal_ns, line.slowest_refusal_ns[kind].load());
    }
    rows.push_back(row);
  }
  return rows;
}

uint32_t count_kills(const SoakReport& report) {
  uint32_t count = report.num_kills;
  for (const PodRow& row : report.pods) count += row.num_kills;
  return count;
}

/// Of at least one sample.
Detection sum_detection(std::vector<double> samples) {
  std::sort(samples.begin(), samples.end());
  return {samples[samples.size() / 2], samples.back()};
}

double ms_of(int64_t ns) { return static_cast<double>(ns) / 1e6; }

/// What rows of traffic and of pods have in common.
template <class Row>
void print_outcomes(const Row& row) {
  std::printf("%llu checked, %llu refused, the slowest error %.1f ms after the kill\n",
              static_cast<unsigned long long>(row.num_checked), static_cast<unsigned long long>(row.num_refused),
              ms_of(row.slowest_refusal_ns));
}
template <class Row>
void write_outcomes(std::FILE* file, const Row& row) {
  std::fprintf(file, "\"checked\":%llu,\"refused\":%llu,\"slowestErrorMs\":%.3f}",
               static_cast<unsigned long long>(row.num_checked), static_cast<unsigned long long>(row.num_refused),
               ms_of(row.slowest_refusal_ns));
}

void write_rows(std::FILE* file, const Board& board, const SoakReport& report) {
  const char* separator = "";
  for (const TrafficRow& row : sum_traffic(board, report)) {
    std::fprintf(file, "%s{\"case\":\"%s\",", separator, row.name);
    write_outcomes(file, row);
    separator = ",";
  }
  for (const PodRow& row : report.pods) {
    std::fprintf(file, "%s{\"case\":\"pods %s\",\"rounds\":%u,\"kills\":%u,", separator, row.name, row.num_rounds,
                 row.num_kills);
    write_outcomes(file, row);
    separator = ",";
  }
}

}  // namespace

void print_report(const Board& board, const SoakReport& report) {
  std::printf("kills: %u\n", count_kills(report));
  for (const TrafficRow& row : sum_traffic(board, report)) {
    std::printf("%s: ", row.name);
    print_outcomes(row);
  }
  for (const PodRow& row : report.pods) {
    std::printf("pods, %s: %u rounds, %u kills, ", row.name, row.num_rounds, row.num_kills);
    print_outcomes(row);
  }
  if (!report.detection_ms.empty()) {
    const Detection detection = sum_detection(report.detection_ms);
    std::printf("detection: median %.1f ms, max %.1f ms, %zu samples\n", detection.median_ms, detection.max_ms,
                report.detection_ms.size());
  }
  if (board.num_failures.load() != 0)
    std::printf("FAILED (%u failures, the first:) %s\n", board.num_failures.load(), board.text);
}

bool write_report(const Board& board, const SoakReport& report, const std::string& path) {
  std::FILE* file = std::fopen(path.c_str(), "w");
  if (!file) {
    std::perror(path.c_str());
    return false;
  }
  std::fprintf(file, "{\"suite\":\"soak\",\"seed\":%llu,\"ranks\":%u,\"kills\":%u,\"rows\":[",
               static_cast<unsigned long long>(report.seed), report.num_ranks, count_kills(report));
  write_rows(file, board, report);
  std::fprintf(file, "],\"detection\":");
  if (report.detection_ms.empty()) {
    std::fprintf(file, "null");
  } else {
    const Detection detection = sum_detection(report.detection_ms);
    std::fprintf(file, "{\"medianMs\":%.3f,\"maxMs\":%.3f,\"samples\":%zu}", detection.median_ms, detection.max_ms,
                 report.detection_ms.size());
  }
  std::fprintf(file, ",\"failures\":%u}\n", board.num_failures.load());
  return std::fclose(file) == 0;
}

}  // namespace switchyard::xccl::soak
