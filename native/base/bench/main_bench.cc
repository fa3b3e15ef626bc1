// native_bench --list prints the names of all cases; native_bench CASE... [--seconds S] [--json] runs those and prints a line each:
// for people, or as JSON {"case", "unit", "values": [one a repetition], "p50", "p99", "mean" (us), "samples", "batch", extras...}.
// Exit 1 when one failed (why: on stderr). Started by tools/bench (suites xccl and kernels).
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "base/bench/case.h"
#include "base/bench/stats.h"

namespace {

using namespace switchyard;
using namespace switchyard::bench;

constexpr double kSecondsMax = 30;

struct CommandLine {
  bool is_list = false;
  bool is_json = false;
  Options options;
  std::vector<const Case*> chosen;
};

Status take_seconds(const char* text, double* out) {
  char* end = nullptr;
  *out = text ? std::strtod(text, &end) : 0;
  if (text && *end == 0 && *out > 0 && *out <= kSecondsMax) return {};
  return {Code::kInvalidArgument, "--seconds takes a number above 0, at most 30"};
}

Status parse(int argc, char** argv, CommandLine* out) {
  for (int i = 1; i < argc; ++i) {
    const std::string word = argv[i];
    if (word == "--list") {
      out->is_list = true;
    } else if (word == "--json") {
      out->is_json = true;
    } else if (word == "--seconds") {
      SWITCHYARD_RETURN_IF_ERROR(take_seconds(argv[++i], &out->options.seconds));
    } else {
      const auto found =
          std::find_if(cases().begin(), cases().end(), [&](const Case& each) { return each.name == word; });
      if (found == cases().end()) return {Code::kInvalidArgument, "no case '" + word + "'; --list names them"};
      out->chosen.push_back(&*found);
    }
  }
  if (out->is_list || !out->chosen.empty()) return {};
  return {Code::kInvalidArgument, "native_bench --list | CASE... [--seconds S] [--json]"};
}

void print_json(const Case& which, const Report& report) {
  std::printf("{\"case\": \"%s\", \"unit\": \"%s\", \"values\": [", which.name.c_str(), report.unit.c_str());
  for (size_t i = 0; i < report.values.size(); ++i) std::printf("%s%.6g", i == 0 ? "" : ", ", report.values[i]);
  std::printf("], \"p50\": %.6g, \"p99\": %.6g, \"mean\": %.6g, \"samples\": %llu, \"batch\": %llu", report.p50_us,
              report.p99_us, report.mean_us, static_cast<unsigned long long>(report.num_samples),
              static_cast<unsigned long long>(report.batch));
  for (const auto& [name, value] : report.extras) std::printf(", \"%s\": %.6g", name.c_str(), value);
  std::printf("}\n");
}

void print_line(const Case& which, const Report& report) {
  std::vector<double> values = report.values;
  std::printf("%-28s %12.6g %-8s p50 %.6g us  p99 %.6g us  mean %.6g us", which.name.c_str(), quantile_of(values, 0.5),
              report.unit.c_str(), report.p50_us, report.p99_us, report.mean_us);
  for (const auto& [name, value] : report.extras) std::printf("  %s %.6g", name.c_str(), value);
  std::printf("\n");
}

bool run_case(const Case& which, const CommandLine& line) {
  Report report;
  const Status status = which.run(line.options, &report);
  if (!status.ok()) {
    std::fprintf(stderr, "%s: %s\n", which.name.c_str(), status.message().c_str());
    return false;
  }
  (line.is_json ? print_json : print_line)(which, report);
  std::fflush(stdout);
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  CommandLine line;
  const Status status = parse(argc, argv, &line);
  if (!status.ok()) {
    std::fprintf(stderr, "%s\n", status.message().c_str());
    return 2;
  }
  if (line.is_list) {
    for (const Case& each : cases()) std::printf("%s\n", each.name.c_str());
  }
  bool all_ok = true;
  for (const Case* each : line.chosen) all_ok = run_case(*each, line) && all_ok;
  return all_ok ? 0 : 1;
}
