// OpenHandles: what must be closed before the environment goes. A worker's end runs cleanup hooks, process.exit() in the main
// thread runs only 'exit' listeners; both end here. One an environment, on the JavaScript thread only.
#pragma once

#include <napi.h>

#include <cstdint>
#include <functional>
#include <map>
#include <utility>

namespace switchyard::addon {

class OpenHandles {
 public:
  static OpenHandles& of(Napi::Env env) { return *env.GetInstanceData<OpenHandles>(); }

  /// Returns the id for remove(). `close` is called at most once, unless removed before.
  uint64_t add(std::function<void()> close) {
    closers_.emplace(++last_id_, std::move(close));
    return last_id_;
  }
  void remove(uint64_t id) { closers_.erase(id); }

  /// Newest first: an executor goes before the communicator that it uses.
  void close_all() {
    while (!closers_.empty()) {
      const std::function<void()> close = std::move(closers_.rbegin()->second);
      closers_.erase(std::prev(closers_.end()));
      close();
    }
  }

 private:
  std::map<uint64_t, std::function<void()>> closers_;
  uint64_t last_id_ = 0;
};

}  // namespace switchyard::addon
