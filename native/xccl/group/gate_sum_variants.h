// The variants behind the table in gate_sum.cc.
#pragma once

#include "xccl/group/gate_sum.h"

namespace switchyard::xccl {

void gate_sum_ref(const GateSumArgs& args);
void gate_sum_avx2(const GateSumArgs& args);
void gate_sum_avx512(const GateSumArgs& args);

}  // namespace switchyard::xccl
