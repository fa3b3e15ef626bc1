// all_to_all: each member sends each other a part of any size. Called by GroupImpl. Small parts travel inside the fields, others
// through the managed area (in several rounds when they are larger than a partition), or straight out of app() and zc().
#pragma once

#include "xccl/group.h"
#include "xccl/group/rounds.h"

namespace switchyard::xccl {

Status all_to_all(Rounds& rounds, const AllToAllArgs& args, Deadline deadline);

}  // namespace switchyard::xccl
