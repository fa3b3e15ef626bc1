// The binding of XCCL: createCommunicator, as declared in libs/native/src/native.ts. Also how other bindings get at the native
// communicator behind a NativeCommunicator.
#pragma once

#include <napi.h>

#include <memory>
#include <string>

#include "xccl/api.h"

namespace switchyard::addon {

void init_xccl(Napi::Env env, Napi::Object exports);

/// The communicator of a NativeCommunicator; throws INVALID_ARGUMENT with the path for anything else, CLOSED when it was closed.
std::shared_ptr<xccl::Communicator> unwrap_communicator(Napi::Value value, const std::string& path);

}  // namespace switchyard::addon
