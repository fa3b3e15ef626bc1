#include "base/process_read.h"

#include <sys/uio.h>

#include <array>

namespace switchyard {

bool process_read(int32_t pid, std::span<const RemotePart> parts) {
  std::array<iovec, kNumRemotePartsMax> own{};
  std::array<iovec, kNumRemotePartsMax> theirs{};
  if (pid <= 0 || parts.size() > kNumRemotePartsMax) return false;
  size_t num_bytes = 0;
  for (size_t i = 0; i < parts.size(); ++i) {
    const RemotePart& part = parts[i];
    if (part.address > UINT64_MAX - part.into.size()) return false;
    own[i] = {part.into.data(), part.into.size()};
    theirs[i] = {reinterpret_cast<void*>(part.address), part.into.size()};
    num_bytes += part.into.size();
  }
  // A short count is a failure like any other: nothing that is read here may be used in part.
  return process_vm_readv(pid, own.data(), parts.size(), theirs.data(), parts.size(), 0) ==
         static_cast<ssize_t>(num_bytes);
}

}  // namespace switchyard
