#include "base/process_read.h"

#include <sys/uio.h>

namespace switchyard {

bool process_read(int32_t pid, uint64_t address, std::span<std::byte> into) {
  if (pid <= 0 || address > UINT64_MAX - into.size()) return false;
  const iovec own{into.data(), into.size()};
  const iovec theirs{reinterpret_cast<void*>(address), into.size()};
  // A short count is a failure like any other: nothing that is read here may be used in part.
  return process_vm_readv(pid, &own, 1, &theirs, 1, 0) == static_cast<ssize_t>(into.size());
}

}  // namespace switchyard
