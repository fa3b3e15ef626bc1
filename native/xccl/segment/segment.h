// One memfd segment: made, mapped and sealed by its owner, or adopted from a descriptor that a peer sent. Used by the broker
// and the communicator. Knows nothing of what lies inside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

#include "base/status.h"

namespace switchyard::xccl {

enum class SegmentAccess : uint8_t {
  kPeersWrite,  // ctrl, zc
  kPeersRead,   // app: F_SEAL_FUTURE_WRITE, so that no later mapping can write
};

enum class PageChoice : uint8_t {
  kSmall,
  /// From kHugeContentBytesMin on: pages of the system's huge page pool if it has enough for the whole segment, else small
  /// pages that the kernel may join where its policy for shared memory allows.
  kHugeIfAny,
};
inline constexpr uint64_t kHugeContentBytesMin = 16ull << 20;

class Segment {
 public:
  Segment() = default;
  Segment(Segment&& other) noexcept;
  Segment& operator=(Segment&& other) noexcept;
  Segment(const Segment&) = delete;
  ~Segment();

  /// memfd_create, ftruncate, map, then all seals in one call. Small pages are touched lazily, huge ones taken from the pool
  /// at once. Io when the system refuses.
  static Status create(const char* label, uint64_t content_bytes, SegmentAccess access, Segment* out,
                       PageChoice pages = PageChoice::kSmall);

  /// Checks kind, size and seals of a peer's descriptor and maps it, whatever pages it has; takes the descriptor over in every
  /// case. Corrupt when they are wrong.
  static Status adopt(int fd, uint64_t content_bytes, SegmentAccess access, Segment* out);

  std::byte* data() const { return data_; }
  /// The content's size; the mapping may reach to the end of its last page.
  uint64_t size() const { return content_bytes_; }
  std::span<std::byte> span() const { return {data_, content_bytes_}; }
  /// Of an own segment, for sending; -1 for an adopted one.
  int fd() const { return fd_; }
  /// Bytes of the pages that this segment asked its system for; 0 when empty.
  uint64_t page_bytes() const { return page_bytes_; }

 private:
  void reset();
  static Status create_of(int fd, uint64_t content_bytes, SegmentAccess access, Segment* out);
  Status map(uint64_t content_bytes, int protection);

  int fd_ = -1;
  std::byte* data_ = nullptr;
  uint64_t content_bytes_ = 0;
  uint64_t mapped_bytes_ = 0;
  uint64_t page_bytes_ = 0;
};

}  // namespace switchyard::xccl
