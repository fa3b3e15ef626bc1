#include "xccl/link/process_barrier.h"

#include <linux/membarrier.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace switchyard::xccl {
namespace {

bool membarrier(int command) { return syscall(SYS_membarrier, command, 0, 0) == 0; }

/// A process has to register, and a forked one again.
bool run_or_register() {
  return membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED) ||
         (membarrier(MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED) && membarrier(MEMBARRIER_CMD_PRIVATE_EXPEDITED));
}

}  // namespace

const bool kHasProcessBarrier = run_or_register();

void process_barrier() {
  if (kHasProcessBarrier) (void)run_or_register();
}

}  // namespace switchyard::xccl
