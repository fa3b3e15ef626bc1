// describe, numericClass, createExecutor, createExpertServer and evaluate of libs/native/src/native.ts.
#pragma once

#include <napi.h>

namespace switchyard::addon {

void init_executor(Napi::Env env, Napi::Object exports);

}  // namespace switchyard::addon
