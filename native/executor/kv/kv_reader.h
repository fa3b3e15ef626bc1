// Reading another rank's KV region (D1): the one thing that the core needs of a fabric. Implemented over XCCL; null where a rank has no
// communicator.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace switchyard::executor {

class KvReader {
 public:
  virtual ~KvReader() = default;
  /// Copies [offset, offset + dst.size()) of the app area of rank `rank` in life `epoch`. Typed errors as in D1 and D5; has a deadline.
  /// A later call's bytes are read after an earlier one's.
  virtual Status read(uint32_t rank, uint64_t epoch, uint64_t offset, std::span<std::byte> dst) = 0;
};

}  // namespace switchyard::executor
