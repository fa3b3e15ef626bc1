// CopyPool: helping threads for copies that are worth their wake. Owned by a messenger; idle threads sleep and are joined by stop().
#pragma once

#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "xccl/copy/copy_bytes.h"

namespace switchyard::xccl {

/// Copies below this are done by the caller alone: a wake costs as much as 256 KiB.
inline constexpr uint64_t kSharedCopyBytesMin = 1 << 20;

class CopyPool {
 public:
  /// `num_threads` counts the caller: 1 is no thread at all.
  explicit CopyPool(uint32_t num_threads);
  ~CopyPool() { stop(); }
  CopyPool(const CopyPool&) = delete;

  /// Returns when all is copied. A copy that meets another one under way is done by its caller alone.
  void copy(void* dst, const void* src, size_t num_bytes, CopyPath path);
  /// From now on callers copy alone. Idempotent.
  void stop();

 private:
  struct Part {
    std::byte* dst = nullptr;
    const std::byte* src = nullptr;
    size_t num_bytes = 0;
  };

  void run(size_t worker_idx);
  void share_out(std::byte* dst, const std::byte* src, size_t num_bytes, CopyPath path);

  std::mutex caller_mutex_;  // one shared copy at a time
  std::mutex mutex_;         // what follows
  std::condition_variable has_work_;
  std::condition_variable is_done_;
  std::vector<Part> parts_;  // one a worker; empty when there is none
  CopyPath path_ = CopyPath::kCached;
  size_t num_left_ = 0;
  bool is_stopping_ = false;
  std::vector<std::thread> workers_;
};

}  // namespace switchyard::xccl
