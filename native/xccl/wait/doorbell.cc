#include "xccl/wait/doorbell.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <climits>

namespace switchyard::xccl {
namespace {

// No FUTEX_PRIVATE_FLAG: the word lies in memory shared between processes.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, uint64_t ns_max) {
  const timespec span{static_cast<time_t>(ns_max / 1'000'000'000), static_cast<long>(ns_max % 1'000'000'000)};
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAIT, expected, &span, nullptr, 0);
}

void futex_wake(std::atomic<uint32_t>& word) {
  syscall(SYS_futex, reinterpret_cast<uint32_t*>(&word), FUTEX_WAKE, INT_MAX, nullptr, nullptr, 0);
}

}  // namespace

void doorbell_wake(Doorbell& bell) {
  const uint32_t now = bell.seq.fetch_add(1, std::memory_order_seq_cst) + 1;
  const uint32_t target = bell.target.load(std::memory_order_seq_cst);
  if (static_cast<int32_t>(now - target) >= 0) futex_wake(bell.seq);
}

void doorbell_force(Doorbell& bell) {
  bell.seq.fetch_add(1, std::memory_order_seq_cst);
  futex_wake(bell.seq);
}

void doorbell_block(Doorbell& bell, uint32_t seen, uint64_t ns_max) { futex_wait(bell.seq, seen, ns_max); }

}  // namespace switchyard::xccl
