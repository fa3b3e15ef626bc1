// A list of cores as text: what SWITCHYARD_XCCL_PIN holds. Read by the addon when a communicator is created, so that a wrong list ends
// a service at its start and not in the thread that it would have bound. It binds nothing itself (cores.h).
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/status.h"

namespace switchyard::xccl {

/// The cores of a list such as "0,2-3", in its order. InvalidArgument for any other text, for a core named twice, and for cores
/// where this process may not run; it says what was expected.
Status cores_from_text(std::string_view text, std::vector<uint32_t>* out);

}  // namespace switchyard::xccl
