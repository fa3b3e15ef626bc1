#include "executor/loop/executor_loop.h"

#include "base/thread.h"

namespace switchyard::executor {
namespace {

constexpr size_t kMostQueuedPlans = 4096;
constexpr auto kIdleWake = std::chrono::seconds(1);

}  // namespace

ExecutorLoop::ExecutorLoop(CoreConfig config, std::function<void(StepEvent)> on_event)
    : core_(std::move(config)),
      on_event_(std::move(on_event)),
      thread_(start_quiet_thread("sy-executor", [this] { run(); })) {}

ExecutorLoop::~ExecutorLoop() { close(); }

Status ExecutorLoop::submit(Plan plan) {
  SWITCHYARD_RETURN_IF_ERROR(core_.check(plan));
  std::lock_guard lock(mutex_);
  if (is_closing_) return {Code::kClosed, "the executor is closed"};
  if (plan.master_epoch < last_epoch_) {
    return {Code::kStale,
            "masterEpoch " + std::to_string(plan.master_epoch) + " is older than " + std::to_string(last_epoch_)};
  }
  if (plan.master_epoch == last_epoch_ && last_epoch_ != 0 && plan.plan_seq != last_plan_seq_ + 1) {
    return {Code::kInvalidArgument,
            "planSeq must be " + std::to_string(last_plan_seq_ + 1) + ", it is " + std::to_string(plan.plan_seq)};
  }
  if (plan.master_epoch == 0) return {Code::kInvalidArgument, "masterEpoch must be positive"};
  if (plans_.size() >= kMostQueuedPlans) return {Code::kResourceExhausted, "too many plans wait for the executor"};
  last_epoch_ = plan.master_epoch;
  last_plan_seq_ = plan.plan_seq;
  plans_.push_back(std::move(plan));
  has_plans_.store(true, std::memory_order_release);
  wake_.notify_one();
  return {};
}

void ExecutorLoop::close() {
  {
    std::lock_guard lock(mutex_);
    is_closing_ = true;
    wake_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void ExecutorLoop::run() {
  core_.heartbeat()->start();
  core_.heartbeat()->set_busy(true);
  while (wait_for_work()) {
    StepEvent event;
    std::vector<Plan> plans = take_plans();
    for (Plan& plan : plans) core_.apply(std::move(plan), &event);
    if (core_.has_work()) core_.step(&event);
    core_.stamp(&event);
    on_event_(std::move(event));
  }
  core_.heartbeat()->set_busy(false);
}

/// False when the loop is to end. Touches the lock only when there is nothing to compute.
bool ExecutorLoop::wait_for_work() {
  const auto is_woken = [&] { return is_closing_.load() || has_plans_.load(); };
  if (is_woken()) return !is_closing_;
  if (core_.has_work() || core_.has_new_starved()) return true;
  core_.heartbeat()->set_busy(false);
  {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, kIdleWake, is_woken)) core_.heartbeat()->progress();
  }
  core_.heartbeat()->set_busy(true);
  return !is_closing_;
}

std::vector<Plan> ExecutorLoop::take_plans() {
  if (!has_plans_.load(std::memory_order_acquire)) return {};
  std::lock_guard lock(mutex_);
  has_plans_ = false;
  return std::exchange(plans_, {});
}

}  // namespace switchyard::executor
