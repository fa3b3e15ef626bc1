// Supervisor: starts the ranks of a soak run, kills one after another at random moments, waits until the survivors have noticed and
// the successor has exchanged checked content with everybody, and compares at the end what rank 0 holds with what it held at
// the start: rank 0 is never killed and outlives all of its peers. No threads here, so that forking is safe at any time.
#pragma once

#include <sys/types.h>

#include <functional>
#include <string>
#include <vector>

#include "xccl/soak/actor.h"
#include "xccl/soak/report.h"

namespace switchyard::xccl::soak {

class Supervisor {
 public:
  Supervisor(Board& board, const Folder& folder, Cast cast);
  /// Kills and reaps whoever still runs.
  ~Supervisor();

  /// True when all went well. Otherwise the board has the first failure's text, unless the run was interrupted (interrupt.h).
  bool run(uint32_t num_kills, SoakReport* report);

 private:
  void start(uint32_t rank);
  bool kill_one(SoakReport* report);
  void kill_rank(uint32_t rank);
  std::vector<uint32_t> witnesses_of(uint32_t victim) const;
  bool await_detection(uint32_t victim, const std::vector<uint32_t>& witnesses, SoakReport* report);
  bool await_all_proven();
  bool has_proven_all(uint32_t rank) const;
  bool make_quiet(const char* when);
  void make_go() { board_.go_order.store(board_.quiet_order.load()); }
  bool end_all();
  bool has_same_census(const Census& before);
  bool await(const std::string& what, std::chrono::nanoseconds patience, const std::function<bool()>& condition);

  Board& board_;
  const Folder& folder_;
  const Cast cast_;
  Random random_;
  uint64_t num_epochs_ = 0;
  std::vector<pid_t> pids_;  // 0: not running
};

}  // namespace switchyard::xccl::soak
