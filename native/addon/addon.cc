// switchyard.node: the table of bindings, and nothing else. Loaded by libs/native only (libs/native/src/native.ts declares it).
#include <napi.h>

#include "addon/executor_binding.h"
#include "addon/open_handles.h"
#include "addon/quantize_binding.h"
#include "addon/xccl_binding.h"

namespace switchyard::addon {
namespace {

/// See OpenHandles: the two ways in which an environment ends.
void close_handles_at_end(Napi::Env env) {
  env.SetInstanceData(new OpenHandles());
  env.AddCleanupHook([](OpenHandles* handles) { handles->close_all(); }, &OpenHandles::of(env));
  const auto process = env.Global().Get("process").As<Napi::Object>();
  const auto listener =
      Napi::Function::New(env, [](const Napi::CallbackInfo& info) { OpenHandles::of(info.Env()).close_all(); });
  process.Get("on").As<Napi::Function>().Call(process, {Napi::String::New(env, "exit"), listener});
}

Napi::Object init(Napi::Env env, Napi::Object exports) {
  close_handles_at_end(env);
  init_xccl(env, exports);
  init_executor(env, exports);
  init_quantize(env, exports);
  return exports;
}

}  // namespace
}  // namespace switchyard::addon

static Napi::Object init_addon(Napi::Env env, Napi::Object exports) { return switchyard::addon::init(env, exports); }

NODE_API_MODULE(switchyard, init_addon)
