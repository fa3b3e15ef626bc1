// native_soak [--kills N] [--ranks N] [--seed N] [--only traffic|pods] [--json FILE]: kills ranks of a communicator under random
// traffic (supervisor.h), and as many ranks of pods (pods.h); --only leaves out the others. Prints seed, folder, kills, operations
// and detection times (report.h); exit 1 with the first failure's text when anything was wrong. SIGINT, SIGTERM and SIGHUP end
// the run early, with nothing left behind and the status of a program that the signal ended.
#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "xccl/soak/interrupt.h"
#include "xccl/soak/pods.h"
#include "xccl/soak/supervisor.h"

namespace {

using namespace switchyard::xccl::soak;

struct Arguments {
  uint32_t num_kills = 20;
  uint32_t num_ranks = 4;
  uint64_t seed = 1;
  std::string only;  // empty: both
  std::string json;  // empty: no file

  uint32_t num_pod_kills() const { return only == "pods" ? num_kills : only == "traffic" ? 0 : num_kills / 2; }
  uint32_t num_traffic_kills() const { return num_kills - num_pod_kills(); }
};

bool parse(int argc, char** argv, Arguments* out) {
  for (int i = 1; i + 1 < argc; i += 2) {
    const uint64_t value = std::strtoull(argv[i + 1], nullptr, 10);
    if (std::strcmp(argv[i], "--kills") == 0) {
      out->num_kills = static_cast<uint32_t>(value);
    } else if (std::strcmp(argv[i], "--ranks") == 0) {
      out->num_ranks = static_cast<uint32_t>(value);
    } else if (std::strcmp(argv[i], "--seed") == 0) {
      out->seed = value;
    } else if (std::strcmp(argv[i], "--only") == 0) {
      out->only = argv[i + 1];
    } else if (std::strcmp(argv[i], "--json") == 0) {
      out->json = argv[i + 1];
    } else {
      return false;
    }
  }
  const bool is_part_known = out->only.empty() || out->only == "traffic" || out->only == "pods";
  return argc % 2 == 1 && is_part_known && out->num_ranks >= 2 && out->num_ranks <= kNumRanksMax;
}

Board* map_board() {
  void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Board{};
}

/// Ranks that an interruption killed did not take their sockets along; a folder says so itself when anything else leaves one.
void empty_folder(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored))
    std::filesystem::remove(entry.path(), ignored);
}

bool soak_traffic(Board& board, const Arguments& arguments, SoakReport* report) {
  const Folder folder;
  std::printf("%u ranks in %s\n", arguments.num_ranks, folder.path().c_str());
  report->num_ranks = arguments.num_ranks;
  bool is_ok = false;
  {
    Supervisor supervisor(board, folder, {arguments.num_ranks, arguments.seed});
    is_ok = supervisor.run(arguments.num_traffic_kills(), report);
  }
  if (interrupting_signal() != 0) empty_folder(folder.path());
  return is_ok;
}

bool soak(Board& board, const Arguments& arguments) {
  std::printf("seed %llu\n", static_cast<unsigned long long>(arguments.seed));
  SoakReport report;
  report.seed = arguments.seed;
  const bool has_traffic = arguments.only != "pods";
  const bool has_pods = arguments.only != "traffic";
  const bool is_ok = (!has_traffic || soak_traffic(board, arguments, &report)) &&
                     (!has_pods || run_pods(board, arguments.seed, arguments.num_pod_kills(), &report.pods));
  print_report(board, report);
  return (arguments.json.empty() || write_report(board, report, arguments.json)) && is_ok;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    std::fprintf(stderr,
                 "usage: native_soak [--kills N] [--ranks 2..%u] [--seed N] [--only traffic|pods] [--json FILE]\n",
                 kNumRanksMax);
    return 2;
  }
  watch_interrupts();
  Board* board = map_board();
  if (!board) return 1;
  const bool is_ok = soak(*board, arguments);
  if (interrupting_signal() != 0) {
    std::printf("interrupted by signal %d\n", interrupting_signal());
    return 128 + interrupting_signal();
  }
  // The folders' destructors have checked that no socket is left.
  return is_ok && switchyard::test::num_failures() == 0 ? 0 : 1;
}
