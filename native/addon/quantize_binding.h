// quantizeRows and roundRows of libs/native/src/native.ts.
#pragma once

#include <napi.h>

namespace switchyard::addon {

void init_quantize(Napi::Env env, Napi::Object exports);

}  // namespace switchyard::addon
