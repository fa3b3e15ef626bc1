// fence: an empty round. After it all members have finished whatever they pulled in earlier rounds.
#pragma once

#include "xccl/group/rounds.h"

namespace switchyard::xccl {

Status group_fence(Rounds& rounds, Deadline deadline);

}  // namespace switchyard::xccl
