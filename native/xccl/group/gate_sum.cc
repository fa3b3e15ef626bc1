// The table of gate sum variants, chosen once by what the machine runs.
#include "xccl/group/gate_sum.h"

#include "xccl/group/gate_sum_variants.h"

namespace switchyard::xccl {
namespace {

constexpr GateSum kTable[] = {gate_sum_ref, gate_sum_avx2, gate_sum_avx512};

}  // namespace

GateSum gate_sum_of(Isa isa) { return kTable[row_without_extensions(isa)]; }

GateSum gate_sum() {
  static const GateSum best = gate_sum_of(available_isas().back());
  return best;
}

}  // namespace switchyard::xccl
