// The table of row quantisation variants, chosen once by what the machine runs: their bits are the same, so nothing needs to force one.
#include "base/quantize_row.h"

#include "base/quantize_row_variants.h"

namespace switchyard {
namespace {

constexpr QuantizeKernels kTables[] = {
    {Isa::kScalar, quantize_f32_ref, quantize_bf16_ref, round_bf16_ref},
    {Isa::kAvx2, quantize_f32_avx2, quantize_bf16_avx2, round_bf16_avx2},
    {Isa::kAvx512, quantize_f32_avx512, quantize_bf16_avx512, round_bf16_avx512},
};

}  // namespace

const QuantizeKernels& quantize_kernels_of(Isa isa) { return kTables[row_without_extensions(isa)]; }

const QuantizeKernels& quantize_kernels() {
  static const QuantizeKernels& table = quantize_kernels_of(available_isas().back());
  return table;
}

}  // namespace switchyard
