#include "xccl/wait/rseq.h"

#if __has_include(<sys/rseq.h>)
#include <sys/rseq.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#endif

namespace switchyard::xccl {

#if __has_include(<sys/rseq.h>)

void unregister_rseq() {
  if (__rseq_size == 0) return;
  constexpr int kUnregister = 1;  // RSEQ_FLAG_UNREGISTER of <linux/rseq.h>, whose struct rseq is not the library's
  // The kernel wants the length that was registered: at least 32 bytes, though newer libraries say how many of them are used.
  const unsigned int num_bytes = std::max(32u, (__rseq_size + 31) / 32 * 32);
  char* const area = static_cast<char*>(__builtin_thread_pointer()) + __rseq_offset;
  // Refused where this thread is not registered, or with another length: then all stays as it is.
  (void)syscall(SYS_rseq, area, num_bytes, kUnregister, RSEQ_SIG);
}

#else

void unregister_rseq() {}

#endif

}  // namespace switchyard::xccl
