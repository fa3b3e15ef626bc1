// The one place where a Status becomes a JavaScript error: message, and `code` as in NativeErrorCode of libs/native/src/native.ts.
#pragma once

#include <napi.h>

#include "base/status.h"

namespace switchyard::addon {

/// "PEER_DEAD" for kPeerDead.
const char* code_name(Code code);

[[noreturn]] void throw_status(Napi::Env env, const Status& status);

inline void throw_unless_ok(Napi::Env env, const Status& status) {
  if (!status.ok()) throw_status(env, status);
}

}  // namespace switchyard::addon
