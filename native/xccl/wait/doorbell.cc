#include "xccl/wait/doorbell.h"

#include "base/futex.h"

namespace switchyard::xccl {

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
