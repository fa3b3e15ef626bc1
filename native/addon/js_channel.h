// JsChannel: events from native threads to one JavaScript callback, in order, coalesced: however many were posted, one call of
// the event loop delivers them all. Posting never waits. The one way by which native threads reach JavaScript.
// NOTE: raw, checked napi_* calls on purpose. C++-exception style aborts when the environment ends, and an exception of the
// callback would be swallowed: it is handed to napi_fatal_exception ('uncaughtException') instead.
#pragma once

#include <node_api.h>

#include <memory>
#include <mutex>
#include <utility>
#include <vector>

namespace switchyard::addon {

template <class Event>
class JsChannel {
 public:
  /// Calls `callback` (as often as it likes) for the events; stops at the first status that is not napi_ok.
  using Deliver = napi_status (*)(napi_env env, napi_value callback, std::vector<Event>& events);

  JsChannel() : state_(std::make_shared<State>()) {}
  ~JsChannel() { close(); }
  JsChannel(const JsChannel&) = delete;

  /// On the JavaScript thread, once. `keeps_alive`: an open channel keeps the process running.
  napi_status open(napi_env env, napi_value callback, const char* name, Deliver deliver, bool keeps_alive) {
    napi_value resource;
    napi_status status = napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource);
    if (status != napi_ok) return status;
    state_->deliver = deliver;
    auto* context = new std::shared_ptr<State>(state_);
    status = napi_create_threadsafe_function(env, callback, nullptr, resource, 0, 1, context, on_finalize, context,
                                             on_call, &state_->function);
    if (status != napi_ok) {
      delete context;
      return status;
    }
    state_->is_open = true;
    return keeps_alive ? napi_ok : napi_unref_threadsafe_function(env, state_->function);
  }

  /// From any thread; dropped when the channel is closed.
  void post(Event event) {
    const std::lock_guard lock(state_->mutex);
    if (!state_->is_open) return;
    state_->events.push_back(std::move(event));
    if (std::exchange(state_->is_posted, true)) return;
    if (napi_call_threadsafe_function(state_->function, nullptr, napi_tsfn_nonblocking) == napi_closing)
      state_->is_open = false;
  }

  /// From any thread, idempotent; events not delivered yet are dropped.
  void close() {
    const std::lock_guard lock(state_->mutex);
    if (std::exchange(state_->is_open, false)) napi_release_threadsafe_function(state_->function, napi_tsfn_abort);
  }

 private:
  struct State {
    std::mutex mutex;
    bool is_open = false;  // false: `function` is not touched any more
    bool is_posted = false;
    std::vector<Event> events;
    napi_threadsafe_function function = nullptr;
    Deliver deliver = nullptr;
  };

  static void on_finalize(napi_env, void* data, void*) {
    auto* context = static_cast<std::shared_ptr<State>*>(data);
    {
      const std::lock_guard lock((*context)->mutex);
      (*context)->is_open = false;
    }
    delete context;
  }

  static void on_call(napi_env env, napi_value callback, void* data, void*) {
    if (!env || !callback) return;
    const std::shared_ptr<State> state = *static_cast<std::shared_ptr<State>*>(data);
    std::vector<Event> events;
    {
      const std::lock_guard lock(state->mutex);
      state->is_posted = false;
      events.swap(state->events);
    }
    if (events.empty() || state->deliver(env, callback, events) != napi_pending_exception) return;
    napi_value error;
    if (napi_get_and_clear_last_exception(env, &error) == napi_ok) napi_fatal_exception(env, error);
  }

  std::shared_ptr<State> state_;
};

}  // namespace switchyard::addon
