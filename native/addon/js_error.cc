#include "addon/js_error.h"

namespace switchyard::addon {

const char* code_name(Code code) {
  switch (code) {
    case Code::kOk: return "OK";
    case Code::kInvalidArgument: return "INVALID_ARGUMENT";
    case Code::kPeerDead: return "PEER_DEAD";
    case Code::kTimeout: return "TIMEOUT";
    case Code::kMismatch: return "MISMATCH";
    case Code::kStale: return "STALE";
    case Code::kCorrupt: return "CORRUPT";
    case Code::kClosed: return "CLOSED";
    case Code::kResourceExhausted: return "RESOURCE_EXHAUSTED";
    case Code::kIo: return "IO";
    case Code::kUnsupported: return "UNSUPPORTED";
    case Code::kInternal: return "INTERNAL";
  }
  return "INTERNAL";
}

void throw_status(Napi::Env env, const Status& status) {
  Napi::Error error = Napi::Error::New(env, status.message());
  error.Value().Set("code", code_name(status.code()));
  throw error;
}

}  // namespace switchyard::addon
