// The futex system call on words of shared memory. Used by the doorbell and by the watchers of peers' lives; nothing else sleeps
// or wakes by it. No FUTEX_PRIVATE_FLAG: the words lie in memory shared between processes.
#pragma once

#include <atomic>
#include <cstdint>

namespace switchyard::xccl {

/// Sleeps unless the word is not `expected` any more, until woken, for at most `ns_max`; may return early.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected, uint64_t ns_max);

/// The same without an end.
void futex_wait(std::atomic<uint32_t>& word, uint32_t expected);

/// Wakes all who sleep on the word.
void futex_wake(std::atomic<uint32_t>& word);

}  // namespace switchyard::xccl
