#include "xccl/wait/cores.h"

#include <sched.h>

#include <algorithm>
#include <bit>
#include <cerrno>
#include <cstring>
#include <string>

namespace switchyard::xccl {

CoreMask allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  // Fails where there are more than 1024 processors: then nothing is known, and ranks there hardly share cores.
  if (sched_getaffinity(0, sizeof(set), &set) != 0) return 0;
  CoreMask mask = 0;
  for (uint32_t core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) mask |= core_bit(core);
  }
  return mask;
}

CoreMask cores_of(std::span<const uint32_t> pin_cores) {
  if (pin_cores.empty()) return allowed_cores();
  CoreMask mask = 0;
  for (const uint32_t core : pin_cores) mask |= core_bit(core);
  return mask;
}

Status pin_thread(pid_t thread_id, uint32_t core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (core < CPU_SETSIZE) CPU_SET(core, &set);
  if (sched_setaffinity(thread_id, sizeof(set), &set) == 0) return {};
  return {Code::kInvalidArgument, "cannot run on core " + std::to_string(core) + ": " + std::strerror(errno)};
}

bool keep_this_thread_on(CoreMask cores) {
  cpu_set_t set;
  CPU_ZERO(&set);
  for (uint32_t core = 0; core < CPU_SETSIZE; ++core) {
    if ((cores & core_bit(core)) != 0) CPU_SET(core, &set);
  }
  return sched_setaffinity(0, sizeof(set), &set) == 0;
}

bool is_crowded(CoreMask own, std::span<const CoreMask> peers, uint32_t num_ranks_min) {
  if (own == 0) return false;
  CoreMask all = own;
  uint32_t num_inside = 1;
  for (const CoreMask peer : peers) {
    all |= peer;
    num_inside += peer != 0 && (peer & ~own) == 0;
  }
  const auto num_ranks = std::max(num_ranks_min, 1 + static_cast<uint32_t>(peers.size()));
  return num_inside > static_cast<uint32_t>(std::popcount(own)) ||
         num_ranks > static_cast<uint32_t>(std::popcount(all));
}

PinningPlan plan_pinning(uint32_t num_attention, uint32_t num_expert, std::span<const uint32_t> cores) {
  PinningPlan plan;
  const auto num_cores = static_cast<uint32_t>(cores.size());
  const bool has_room = num_attention + num_expert <= num_cores;
  for (uint32_t i = 0; i < num_attention; ++i) plan.attention.push_back(cores[i % num_cores]);
  // Expert i is attention i's partner; experts without one go on round the cores behind them.
  const uint32_t first_expert = has_room ? num_attention : 0;
  for (uint32_t i = 0; i < num_expert; ++i) plan.expert.push_back(cores[(first_expert + i) % num_cores]);
  return plan;
}

}  // namespace switchyard::xccl
