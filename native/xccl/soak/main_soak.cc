// native_soak [--kills N] [--ranks N] [--seed N]: kills ranks of a communicator under random traffic (supervisor.h). Prints seed,
// folder, kills, operations and detection times; exit 1 with the first failure's text when anything was wrong. SIGINT, SIGTERM
// and SIGHUP end the run early, with nothing left behind and the status of a program that the signal ended.
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "xccl/soak/interrupt.h"
#include "xccl/soak/supervisor.h"
#include "xccl/soak/traffic.h"

namespace {

using namespace switchyard::xccl::soak;

struct Arguments {
  uint32_t num_kills = 20;
  uint32_t num_ranks = 4;
  uint64_t seed = 1;
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
    } else {
      return false;
    }
  }
  return argc % 2 == 1 && out->num_ranks >= 2 && out->num_ranks <= kNumRanksMax;
}

Board* map_board() {
  void* memory = mmap(nullptr, sizeof(Board), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  return memory == MAP_FAILED ? nullptr : new (memory) Board{};
}

void print_traffic(const Board& board, uint32_t num_ranks) {
  for (uint32_t kind = 0; kind < kNumTrafficKinds; ++kind) {
    uint64_t num_checked = 0;
    uint64_t num_refused = 0;
    int64_t slowest_ns = 0;
    for (uint32_t rank = 0; rank < num_ranks; ++rank) {
      num_checked += board.ranks[rank].num_checked[kind].load();
      num_refused += board.ranks[rank].num_refused[kind].load();
      slowest_ns = std::max(slowest_ns, board.ranks[rank].slowest_refusal_ns[kind].load());
    }
    std::printf("%s: %llu checked, %llu refused, the slowest error %.1f ms after the kill\n", kTrafficKinds[kind].name,
                static_cast<unsigned long long>(num_checked), static_cast<unsigned long long>(num_refused),
                static_cast<double>(slowest_ns) / 1e6);
  }
}

void print_detection(std::vector<double> samples) {
  if (samples.empty()) return;
  std::sort(samples.begin(), samples.end());
  std::printf("detection: median %.1f ms, max %.1f ms, %zu samples\n", samples[samples.size() / 2], samples.back(),
              samples.size());
}

/// Ranks that an interruption killed did not take their sockets along; a folder says so itself when anything else leaves one.
void empty_folder(const std::string& path) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(path, ignored))
    std::filesystem::remove(entry.path(), ignored);
}

bool soak(Board& board, const Arguments& arguments) {
  const Folder folder;
  std::printf("seed %llu, %u ranks in %s\n", static_cast<unsigned long long>(arguments.seed), arguments.num_ranks,
              folder.path().c_str());
  SoakReport report;
  bool is_ok = false;
  {
    Supervisor supervisor(board, folder, {arguments.num_ranks, arguments.seed});
    is_ok = supervisor.run(arguments.num_kills, &report);
  }
  if (interrupting_signal() != 0) empty_folder(folder.path());
  std::printf("kills: %u\n", report.num_kills);
  print_traffic(board, arguments.num_ranks);
  print_detection(report.detection_ms);
  if (board.num_failures.load() != 0)
    std::printf("FAILED (%u failures, the first:) %s\n", board.num_failures.load(), board.text);
  return is_ok;
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  if (!parse(argc, argv, &arguments)) {
    std::fprintf(stderr, "usage: native_soak [--kills N] [--ranks 2..%u] [--seed N]\n", kNumRanksMax);
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
  // The folder's destructor has checked that no socket is left.
  return is_ok && switchyard::test::num_failures() == 0 ? 0 : 1;
}
