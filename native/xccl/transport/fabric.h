// Fabric: the small interface that all protocols stand on, one object a link. Provided by `self` (loopback) and `shm`; used by
// coll and the communicator, which use nothing but this, so that a fabric without shared memory fits beneath them. `map` is an
// optional capability. Waiting is not here: a rank waits only on words of its own segment (wait/wait_on.h).
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "base/status.h"

namespace switchyard::xccl {

enum class Area : uint8_t { kCtrl, kApp, kZc };

/// What follows a put: the word is exchanged, seq_cst, after the data, then the bell in the control segment is rung.
struct Signal {
  uint64_t word_offset;  // of an aligned uint64 with this rank as its only writer
  uint64_t value;
  uint64_t bell_offset;
  Area area = Area::kCtrl;  // of the data and the word: kCtrl or kZc
};

class Fabric {
 public:
  virtual ~Fabric() = default;
  virtual const char* name() const = 0;

  /// Copies src to the target's area. InvalidArgument out of bounds or into kApp, which peers cannot write.
  virtual Status put(Area area, uint64_t offset, std::span<const std::byte> src) = 0;
  /// Copies from the target's area into dst. InvalidArgument out of bounds. A get is not reordered with a later get.
  virtual Status get(Area area, uint64_t offset, std::span<std::byte> dst) = 0;
  /// put into the signal's area, then the signal; who sees the signal's value sees this and all earlier puts.
  virtual Status put_with_signal(uint64_t offset, std::span<const std::byte> src, const Signal& signal) = 0;
  /// Earlier puts are visible before later ones.
  virtual Status fence() = 0;
  /// Direct access, or null when the fabric cannot or the range is out of bounds.
  virtual std::byte* map(Area area, uint64_t offset, uint64_t num_bytes) {
    (void)area, (void)offset, (void)num_bytes;
    return nullptr;
  }
};

/// The target's three areas as this process has them mapped: a peer's for shm, its own for self.
struct TargetMemory {
  std::span<std::byte> ctrl;
  std::span<std::byte> app;
  std::span<std::byte> zc;
};

/// Makes a fabric by name; InvalidArgument lists the known ones. The memory must outlive the fabric.
Status fabric_create(std::string_view name, const TargetMemory& memory, std::unique_ptr<Fabric>* out);

}  // namespace switchyard::xccl
