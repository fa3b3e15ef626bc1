// The module: a table of what each part exports. Nothing else belongs here.
#include <napi.h>

#include "addon/executor_binding.h"

static Napi::Object init(Napi::Env env, Napi::Object exports) {
  switchyard::addon::init_executor(env, exports);
  return exports;
}

NODE_API_MODULE(switchyard, init)
