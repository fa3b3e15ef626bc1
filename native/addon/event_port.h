// The way from a native loop to JavaScript: events are queued, and at most one call into JavaScript is pending, which takes all that have
// gathered. Called by the loop threads (push) and the JavaScript thread (everything else). Never blocks a loop.
#pragma once

#include <node_api.h>

#include <atomic>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace switchyard::addon {

/// What both sides share, without the event type: the thread-safe function and its life.
class PortBase : public std::enable_shared_from_this<PortBase> {
 public:
  virtual ~PortBase() = default;

  /// Makes the thread-safe function, which keeps the process alive until release. False with a pending JS exception when it fails.
  bool open(napi_env env, napi_value callback, const char* name);

  /// No callback follows. Once, on the JavaScript thread, after the loop has ended.
  void release();

 protected:
  /// Schedules one drain unless one is pending; any thread.
  void post();

 private:
  /// All queued events as one JavaScript array; null when there are none or the environment is going away.
  virtual napi_value take_all(napi_env env) = 0;

  static void drain(napi_env env, napi_value callback, void* context, void* data);

  napi_threadsafe_function function_ = nullptr;
  std::atomic<bool> is_posted_{false};
  std::atomic<bool> is_released_{false};
};

template <typename Event>
class EventPort : public PortBase {
 public:
  using ToJs = napi_value (*)(napi_env env, const std::vector<Event>& events);

  explicit EventPort(ToJs to_js) : to_js_(to_js) {}

  void push(Event event) {
    {
      std::lock_guard lock(mutex_);
      events_.push_back(std::move(event));
    }
    post();
  }

 private:
  napi_value take_all(napi_env env) override {
    std::vector<Event> events;
    {
      std::lock_guard lock(mutex_);
      events.swap(events_);
    }
    return events.empty() ? nullptr : to_js_(env, events);
  }

  ToJs to_js_;
  std::mutex mutex_;
  std::vector<Event> events_;
};

}  // namespace switchyard::addon
