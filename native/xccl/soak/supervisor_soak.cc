#include "xccl/soak/supervisor.h"

#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "xccl/soak/interrupt.h"
#include "xccl/soak/traffic.h"

namespace switchyard::xccl::soak {
namespace {

using namespace std::chrono_literals;

constexpr std::chrono::seconds kProofPatience{20};
constexpr uint32_t kKillAfterMsMax = 20;
/// So often a successor starts before the survivors know of the death, or the next kill comes before it has joined.
constexpr uint32_t kRushOneIn = 4;

/// What a rank saw in its last life does not count in the next.
void forget_sights(RankLine& line) {
  for (PeerSight& sight : line.peers) {
    sight.linked_epoch.store(0);
    sight.dead_epoch.store(0);
    for (auto& epoch : sight.proven_epoch) epoch.store(0);
  }
}

}  // namespace

Supervisor::Supervisor(Board& board, const Folder& folder, Cast cast)
    : board_(board), folder_(folder), cast_(cast), random_(cast.seed), pids_(cast.num_ranks) {}

Supervisor::~Supervisor() {
  for (uint32_t rank = 0; rank < cast_.num_ranks; ++rank) kill_rank(rank);
}

bool Supervisor::run(uint32_t num_kills, SoakReport* report) {
  for (uint32_t rank = 0; rank < cast_.num_ranks; ++rank) start(rank);
  if (!await_all_proven() || !make_quiet("at the start")) return false;
  const Census& census = board_.ranks[0].census;
  const Census before{census.num_descriptors.load(), census.num_threads.load(), census.num_mappings.load()};
  make_go();
  while (report->num_kills < num_kills) {
    if (interrupting_signal() != 0 || !kill_one(report)) return false;
  }
  return await_all_proven() && make_quiet("at the end") && has_same_census(before) && end_all();
}

void Supervisor::start(uint32_t rank) {
  const uint64_t epoch = ++num_epochs_;
  forget_sights(board_.ranks[rank]);
  board_.ranks[rank].wanted_epoch.store(epoch);
  board_.generation.store(static_cast<uint32_t>(epoch));
  std::fflush(stdout);
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    Actor(board_, folder_, cast_, rank, epoch).run();
    _exit(0);
  }
  pids_[rank] = pid;
}

void Supervisor::kill_rank(uint32_t rank) {
  if (pids_[rank] <= 0) return;
  RankLine& line = board_.ranks[rank];
  line.killed_ns.store(now_ns());
  line.killed_epoch.store(line.wanted_epoch.load());
  kill(pids_[rank], SIGKILL);
  waitpid(pids_[rank], nullptr, 0);
  pids_[rank] = 0;
}

bool Supervisor::kill_one(SoakReport* report) {
  const uint32_t victim = 1 + random_.below(cast_.num_ranks - 1);
  std::this_thread::sleep_for(std::chrono::microseconds(random_.below(kKillAfterMsMax * 1000)));
  const std::vector<uint32_t> witnesses = witnesses_of(victim);
  kill_rank(victim);
  report->num_kills += 1;
  const bool is_successor_rushed = random_.below(kRushOneIn) == 0;
  if (!is_successor_rushed && !await_detection(victim, witnesses, report)) return false;
  start(victim);
  const bool is_next_kill_rushed = random_.below(kRushOneIn) == 0;
  return is_next_kill_rushed || await_all_proven();
}

/// Who is linked to the victim and will therefore announce its death.
std::vector<uint32_t> Supervisor::witnesses_of(uint32_t victim) const {
  std::vector<uint32_t> witnesses;
  for (uint32_t rank = 0; rank < cast_.num_ranks; ++rank) {
    const bool is_linked =
        board_.ranks[rank].peers[victim].linked_epoch.load() == board_.ranks[victim].wanted_epoch.load();
    if (rank != victim && is_linked) witnesses.push_back(rank);
  }
  return witnesses;
}

bool Supervisor::await_detection(uint32_t victim, const std::vector<uint32_t>& witnesses, SoakReport* report) {
  const RankLine& line = board_.ranks[victim];
  for (const uint32_t rank : witnesses) {
    const PeerSight& sight = board_.ranks[rank].peers[victim];
    const bool is_seen = await(
        "rank " + std::to_string(rank) + " does not notice the death of rank " + std::to_string(victim),
        std::chrono::nanoseconds(kRefusalMaxNs), [&] { return sight.dead_epoch.load() == line.killed_epoch.load(); });
    if (!is_seen) return false;
    report->detection_ms.push_back(static_cast<double>(sight.dead_ns.load() - line.killed_ns.load()) / 1e6);
  }
  return true;
}

bool Supervisor::await_all_proven() {
  for (uint32_t rank = 0; rank < cast_.num_ranks; ++rank) {
    const std::string what = "rank " + std::to_string(rank) + " has not exchanged everything with everybody";
    if (!await(what, kProofPatience, [&] { return has_proven_all(rank); })) return false;
  }
  return true;
}

bool Supervisor::has_proven_all(uint32_t rank) const {
  for (uint32_t peer = 0; peer < cast_.num_ranks; ++peer) {
    for (uint32_t kind = 0; kind < kNumTrafficKinds; ++kind) {
      const uint64_t proven_epoch = board_.ranks[rank].peers[peer].proven_epoch[kind].load();
      if (proven_epoch != board_.ranks[peer].wanted_epoch.load()) return false;
    }
  }
  return true;
}

bool Supervisor::make_quiet(const char* when) {
  const uint32_t order = board_.quiet_order.fetch_add(1) + 1;
  return await(std::string("the ranks do not become quiet ") + when, kProofPatience, [&] {
    return std::all_of(board_.ranks, board_.ranks + cast_.num_ranks,
                       [&](const RankLine& line) { return line.quiet_order.load() == order; });
  });
}

bool Supervisor::has_same_census(const Census& before) {
  const Census& after = board_.ranks[0].census;
  const auto check = [&](const char* what, uint32_t then, uint32_t now) {
    if (then == now) return true;
    board_fail(board_, std::string("rank 0 holds ") + std::to_string(now) + " " + what + " after the kills and held " +
                           std::to_string(then) + " before");
    return false;
  };
  return check("descriptors", before.num_descriptors.load(), after.num_descriptors.load()) &&
         check("threads", before.num_threads.load(), after.num_threads.load()) &&
         check("mappings of segments", before.num_mappings.load(), after.num_mappings.load());
}

bool Supervisor::end_all() {
  board_.is_ending.store(true);
  for (uint32_t rank = 0; rank < cast_.num_ranks; ++rank) {
    int status = 0;
    const bool has_ended = await("rank " + std::to_string(rank) + " does not end", kProofPatience,
                                 [&] { return waitpid(pids_[rank], &status, WNOHANG) == pids_[rank]; });
    if (!has_ended) return false;
    pids_[rank] = 0;
    if (status != 0)
      board_fail(board_, "rank " + std::to_string(rank) + " ended with wait status " + std::to_string(status));
  }
  return board_.num_failures.load() == 0;
}

bool Supervisor::await(const std::string& what, std::chrono::nanoseconds patience,
                       const std::function<bool()>& condition) {
  const Deadline deadline = deadline_in(patience);
  while (!condition()) {
    if (board_.num_failures.load() != 0 || interrupting_signal() != 0) return false;
    if (std::chrono::steady_clock::now() >= deadline) {
      board_fail(board_, what);
      return false;
    }
    std::this_thread::sleep_for(200us);
  }
  return true;
}

}  // namespace switchyard::xccl::soak
