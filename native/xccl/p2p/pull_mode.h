// The names of PullMode (types.h): SWITCHYARD_XCCL_PULL forces one. Used by the addon.
#pragma once

#include <string_view>

#include "base/status.h"
#include "xccl/types.h"

namespace switchyard::xccl {

/// Finds a mode by its name (auto, always, off). InvalidArgument lists the names.
Status pull_mode_from_name(std::string_view name, PullMode* out);

}  // namespace switchyard::xccl
