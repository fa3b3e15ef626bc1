// Reads the memory of another process of this user (process_vm_readv): one copy, by the kernel, and nothing is ever written there.
// Used by XCCL for messages that lie in their sender's own memory; knows nothing of them. Where the system does not have or
// does not allow the call, every read fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace switchyard {

/// Reads what lies at `address` in the other process, at most 1 GiB. False when not all of it could be read (no such process, not
/// allowed, no such memory); `into` may then hold anything.
bool process_read(int32_t pid, uint64_t address, std::span<std::byte> into);

}  // namespace switchyard
