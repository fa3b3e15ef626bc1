// The persistent thread of an attention rank (D3): takes plans, steps, hands events out. JavaScript is never on its path: plans are queued,
// events go to a callback that must only queue them. Idle, it sleeps and costs nothing.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "executor/loop/executor_core.h"

namespace switchyard::executor {

class ExecutorLoop {
 public:
  /// on_event runs on the loop's thread, one event a step or acknowledged plan; it must not block.
  ExecutorLoop(CoreConfig config, std::function<void(StepEvent)> on_event);
  ~ExecutorLoop();
  ExecutorLoop(const ExecutorLoop&) = delete;
  ExecutorLoop& operator=(const ExecutorLoop&) = delete;

  /// Queues a plan; any thread. INVALID_ARGUMENT for what can be seen at once (also a gap in planSeq), STALE for an older epoch,
  /// CLOSED, RESOURCE_EXHAUSTED when plans pile up.
  Status submit(Plan plan);

  /// Ends the loop after the step in progress and joins it; no event follows. Idempotent.
  void close();

  const KvPool& kv() const { return core_.kv(); }

 private:
  void run();
  bool wait_for_work();
  std::vector<Plan> take_plans();

  ExecutorCore core_;
  std::function<void(StepEvent)> on_event_;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::vector<Plan> plans_;     // guarded by mutex_
  uint64_t last_epoch_ = 0;     // of submitted plans, guarded by mutex_
  uint64_t last_plan_seq_ = 0;  // likewise
  std::atomic<bool> has_plans_{false};
  std::atomic<bool> is_closing_{false};
  std::thread thread_;
};

}  // namespace switchyard::executor
