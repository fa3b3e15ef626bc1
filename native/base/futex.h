// The futex system call. Used by XCCL's doorbell and the watchers of peers' lives, whose words lie in memory shared between processes
// (so no FUTEX_PRIVATE_FLAG), and by the thread pool; nothing else sleeps or wakes by it.
#pragma once

#include <atomic>
#include <cstdint>

namespace switchyard {

/// Sleeps unless the word is not `expected` any more, until woken, for at most `ns_max`; may return early.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, uint64_t ns_max);

/// The same without an end.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected);

/// Wakes all who sleep on the word.
void futex_wake(std::atomic<uint32_t>& word);

}  // namespace switchyard
