// The cores that a bench may use, and pinning to them.
#pragma once

#include <errno.h>
#include <sched.h>
#include <string.h>

#include <string>
#include <vector>

#include "base/status.h"

namespace switchyard::bench {

/// Of this thread, ascending; empty when the system does not say.
inline std::vector<int> allowed_cores() {
  cpu_set_t set;
  CPU_ZERO(&set);
  std::vector<int> cores;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return cores;
  for (int core = 0; core < CPU_SETSIZE; ++core) {
    if (CPU_ISSET(core, &set)) cores.push_back(core);
  }
  return cores;
}

inline Status pin_to_core(int core) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(core, &set);
  if (sched_setaffinity(0, sizeof set, &set) == 0) return {};
  return {Code::kIo, "cannot pin to core " + std::to_string(core) + ": " + strerror(errno)};
}

}  // namespace switchyard::bench
