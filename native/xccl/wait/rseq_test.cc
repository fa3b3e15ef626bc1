// Whether a bound thread is still registered: the kernel lets a thread register another area only when it is not.
#include "xccl/wait/rseq.h"

#include <sys/syscall.h>
#include <unistd.h>

#include <bit>
#include <cerrno>
#include <cstdio>
#include <memory>
#include <thread>

#include "test/test.h"
#include "xccl/wait/cores.h"
#include "xccl/wait/pinned_workers.h"

namespace {

using namespace switchyard::xccl;

constexpr uint32_t kSignature = 0x53053053;  // x86-64's; any will do for an area of one's own

/// errno of the attempt to register an area, 0 when it went well. It is taken back.
int try_to_register() {
  alignas(32) static thread_local char area[32];
  if (syscall(SYS_rseq, area, sizeof(area), 0, kSignature) != 0) return errno;
  return syscall(SYS_rseq, area, sizeof(area), 1, kSignature) == 0 ? 0 : errno;
}

}  // namespace

TEST(xccl_bound_workers_are_not_told_their_core) {
  int before = 0;
  int after = -1;
  std::thread([&] {
    before = try_to_register();
    const auto core = static_cast<uint32_t>(std::countr_zero(allowed_cores()));
    const auto list = std::make_shared<PinnedWorkers>(std::vector<uint32_t>{core});
    CHECK(list->pin(0).ok());
    after = try_to_register();
    unregister_rseq();  // again: changes nothing
  }).join();
  if (before != EINVAL) {
    std::printf("skipped: threads are not registered for restartable sequences here\n");
    return;
  }
  CHECK(after == 0);
}
