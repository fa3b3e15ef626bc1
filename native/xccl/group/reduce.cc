// The table of reduction variants, chosen once by what the machine runs: their bits are the same, so nothing needs to force one.
#include "xccl/group/reduce.h"

#include "xccl/group/reduce_variants.h"

namespace switchyard::xccl {
namespace {

constexpr ReduceKernels kTables[] = {
    {Isa::kScalar, reduce_tree_ref, reduce_tree_ref},
    {Isa::kAvx2, reduce_tree_avx2, reduce_tree_avx2},
    {Isa::kAvx512, reduce_tree_avx512, reduce_tree_avx512},
};

}  // namespace

const ReduceKernels& reduce_kernels_of(Isa isa) { return kTables[row_without_extensions(isa)]; }

const ReduceKernels& reduce_kernels() {
  static const ReduceKernels& table = reduce_kernels_of(available_isas().back());
  return table;
}

}  // namespace switchyard::xccl
