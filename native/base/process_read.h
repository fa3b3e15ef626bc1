// Reads the memory of another process of this user (process_vm_readv): one copy, by the kernel, and nothing is ever written there.
// Used by XCCL for messages that lie in their sender's own memory; knows nothing of them. Where the system does not have or
// does not allow the call, every read fails.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace switchyard {

struct RemotePart {
  uint64_t address = 0;  // in the other process
  std::span<std::byte> into;
};

inline constexpr size_t kNumRemotePartsMax = 2;

/// Reads the parts one after the other, in one call: what the second one holds was read after all of the first. At most
/// kNumRemotePartsMax parts, 1 GiB together. False when not all of them could be read (no such process, not allowed, no such memory);
/// `into` may then hold anything.
bool process_read(int32_t pid, std::span<const RemotePart> parts);

}  // namespace switchyard
