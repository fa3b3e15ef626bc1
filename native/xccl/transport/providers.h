// The fabric providers that fabric_create chooses from; each lies in a file of its name.
#pragma once

#include <memory>

#include "xccl/transport/fabric.h"

namespace switchyard::xccl {

std::unique_ptr<Fabric> self_fabric_create(const TargetMemory& own);
std::unique_ptr<Fabric> shm_fabric_create(const TargetMemory& peer);

}  // namespace switchyard::xccl
