#include "xccl/copy/copy_pool.h"

#include "base/thread.h"

namespace switchyard::xccl {
namespace {

constexpr size_t kPartUnit = 4096;

}  // namespace

CopyPool::CopyPool(uint32_t num_threads) {
  const size_t num_workers = num_threads > 1 ? num_threads - 1 : 0;
  parts_.resize(num_workers);
  workers_.reserve(num_workers);
  for (size_t i = 0; i < num_workers; ++i) workers_.push_back(start_quiet_thread("xccl-copy", [this, i] { run(i); }));
}

void CopyPool::stop() {
  const std::lock_guard caller(caller_mutex_);
  {
    const std::lock_guard lock(mutex_);
    is_stopping_ = true;
  }
  has_work_.notify_all();
  for (std::thread& worker : workers_) worker.join();
  workers_.clear();
}

void CopyPool::copy(void* dst, const void* src, size_t num_bytes, CopyPath path) {
  const bool is_worth_it = num_bytes >= kSharedCopyBytesMin && !parts_.empty();
  std::unique_lock caller(caller_mutex_, std::defer_lock);
  if (is_worth_it && caller.try_lock() && !workers_.empty())
    return share_out(static_cast<std::byte*>(dst), static_cast<const std::byte*>(src), num_bytes, path);
  copy_bytes(dst, src, num_bytes, path);
}

/// The caller takes the last part, which has the rest.
void CopyPool::share_out(std::byte* dst, const std::byte* src, size_t num_bytes, CopyPath path) {
  const size_t part_bytes = num_bytes / (parts_.size() + 1) / kPartUnit * kPartUnit;
  {
    const std::lock_guard lock(mutex_);
    for (Part& part : parts_) {
      part = {dst, src, part_bytes};
      dst += part_bytes;
      src += part_bytes;
      num_bytes -= part_bytes;
    }
    path_ = path;
    num_left_ = parts_.size();
  }
  has_work_.notify_all();
  copy_bytes(dst, src, num_bytes, path);
  std::unique_lock lock(mutex_);
  is_done_.wait(lock, [this] { return num_left_ == 0; });
}

void CopyPool::run(size_t worker_idx) {
  std::unique_lock lock(mutex_);
  for (;;) {
    has_work_.wait(lock, [&] { return is_stopping_ || parts_[worker_idx].num_bytes > 0; });
    if (is_stopping_) return;
    const Part part = parts_[worker_idx];
    const CopyPath path = path_;
    parts_[worker_idx].num_bytes = 0;
    lock.unlock();
    copy_bytes(part.dst, part.src, part.num_bytes, path);
    lock.lock();
    if (--num_left_ == 0) is_done_.notify_one();
  }
}

}  // namespace switchyard::xccl
