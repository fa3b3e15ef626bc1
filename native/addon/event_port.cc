#include "addon/event_port.h"

namespace switchyard::addon {

bool PortBase::open(napi_env env, napi_value callback, const char* name) {
  napi_value resource_name = nullptr;
  if (napi_create_string_utf8(env, name, NAPI_AUTO_LENGTH, &resource_name) != napi_ok) return false;
  // The function owns a reference to the port, so that a drain under way never sees it gone.
  auto* self = new std::shared_ptr<PortBase>(shared_from_this());
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<PortBase>*>(data); };
  if (napi_create_threadsafe_function(env, callback, nullptr, resource_name, 0, 1, self, finalize, this, drain, &function_) == napi_ok) return true;
  delete self;
  return false;
}

void PortBase::release() {
  if (is_released_.exchange(true) || !function_) return;
  napi_release_threadsafe_function(function_, napi_tsfn_release);
}

void PortBase::post() {
  if (is_released_.load() || is_posted_.exchange(true)) return;
  napi_call_threadsafe_function(function_, nullptr, napi_tsfn_nonblocking);
}

void PortBase::drain(napi_env env, napi_value callback, void* context, void*) {
  auto* port = static_cast<PortBase*>(context);
  port->is_posted_ = false;
  if (!env || !callback || port->is_released_.load()) return;
  napi_value events = port->take_all(env);
  napi_value receiver = nullptr;
  if (!events || napi_get_undefined(env, &receiver) != napi_ok) return;
  if (napi_call_function(env, receiver, callback, 1, &events, nullptr) != napi_pending_exception) return;
  napi_value exception = nullptr;
  if (napi_get_and_clear_last_exception(env, &exception) == napi_ok) napi_fatal_exception(env, exception);
}

}  // namespace switchyard::addon
