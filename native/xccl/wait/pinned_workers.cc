#include "xccl/wait/pinned_workers.h"

#include <pthread.h>
#include <unistd.h>

#include <algorithm>

#include "xccl/wait/rseq.h"

namespace switchyard::xccl {

/// The calling thread's place on a list; its destructor runs in the thread, before the thread's id is free.
class PinnedThread {
 public:
  ~PinnedThread() { leave(); }
  void leave() {
    if (const auto list = list_.lock()) list->remove(gettid());
    list_.reset();
  }
  void join(std::weak_ptr<PinnedWorkers> list) { list_ = std::move(list); }

 private:
  std::weak_ptr<PinnedWorkers> list_;
};

namespace {

thread_local PinnedThread own_place;

}  // namespace

Status PinnedWorkers::pin(uint32_t worker_idx) {
  if (homes_.empty()) return {};
  own_place.leave();
  const uint32_t home = homes_[worker_idx % homes_.size()];
  SWITCHYARD_RETURN_IF_ERROR(pin_thread(0, home));
  unregister_rseq();
  clockid_t clock = 0;
  // Without its clock nobody can tell its work from others': it stays where it is.
  if (pthread_getcpuclockid(pthread_self(), &clock) != 0) return {};
  own_place.join(weak_from_this());
  const std::lock_guard lock(mutex_);
  // Workers of one rank wait for each other inside a layer, so that none of them may wait for its core.
  workers_.push_back({gettid(), clock, {home, homes_.size() == 1}});
  return {};
}

bool PinnedWorkers::is_empty() const {
  const std::lock_guard lock(mutex_);
  return workers_.empty();
}

CoreMask PinnedWorkers::cores() const {
  const std::lock_guard lock(mutex_);
  CoreMask mask = 0;
  for (const PinnedWorker& worker : workers_) mask |= core_bit(worker.choice.core());
  for (const uint32_t home : homes_) {
    const auto is_its = [home](const PinnedWorker& worker) { return worker.choice.home() == home; };
    if (std::ranges::none_of(workers_, is_its)) mask |= core_bit(home);
  }
  return mask;
}

void PinnedWorkers::remove(pid_t thread_id) {
  const std::lock_guard lock(mutex_);
  std::erase_if(workers_, [thread_id](const PinnedWorker& worker) { return worker.thread_id == thread_id; });
}

}  // namespace switchyard::xccl
