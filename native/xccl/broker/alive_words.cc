#include "xccl/broker/alive_words.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "base/futex.h"

namespace switchyard::xccl {

void AliveWords::hold(CtrlFixed& fixed, uint32_t max_ranks) {
  fixed_ = &fixed;
  num_words_ = max_ranks;
  const auto thread_id = static_cast<uint32_t>(gettid());
  for (uint32_t rank = 0; rank < max_ranks; ++rank) {
    fixed.alive[rank].word.store(thread_id, std::memory_order_release);
    nodes_[rank].list.next = rank + 1 < max_ranks ? &nodes_[rank + 1].list : &head_.list;
  }
  head_.list.next = &nodes_[0].list;
  head_.futex_offset = reinterpret_cast<intptr_t>(&fixed.alive[0].word) - reinterpret_cast<intptr_t>(&nodes_[0].list);
  head_.list_op_pending = nullptr;
  size_t head_bytes = 0;
  // Where these fail (no kernel of today), deaths show a little later, by the end of the connection.
  syscall(SYS_get_robust_list, 0, &head_before_, &head_bytes);
  syscall(SYS_set_robust_list, &head_, sizeof(head_));
}

void AliveWords::let_go() {
  syscall(SYS_set_robust_list, head_before_, sizeof(robust_list_head));
  for (uint32_t rank = 0; rank < num_words_; ++rank) {
    std::atomic<uint32_t>& word = fixed_->alive[rank].word;
    const uint32_t before = word.exchange(0, std::memory_order_seq_cst);
    if ((before & FUTEX_WAITERS) != 0) futex_wake(word);
  }
}

}  // namespace switchyard::xccl
