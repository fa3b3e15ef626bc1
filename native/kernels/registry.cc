#include "kernels/registry.h"

#include <atomic>
#include <cstdlib>

namespace switchyard {
namespace {

constexpr KernelTable kTables[] = {
    {Isa::kScalar, product_ref, product_bf16_ref, product_int8_ref, quantize_blocks_ref, product_block_ref, rmsnorm_ref,
     silu_mul_ref, paged_attention_ref, combine_ref, softmax_sum_ref, rope_ref, router_ref, &kLogitKernelsRef},
    {Isa::kAvx2, product_avx2, product_bf16_avx2, product_int8_avx2, quantize_blocks_avx2, product_block_avx2,
     rmsnorm_avx2, silu_mul_avx2, paged_attention_avx2, combine_avx2, softmax_sum_avx2, rope_avx2, router_avx2,
     &kLogitKernelsAvx2},
    {Isa::kAvxVnni, product_avx2, product_bf16_avx2, product_int8_avxvnni, quantize_blocks_avx2, product_block_avxvnni,
     rmsnorm_avx2, silu_mul_avx2, paged_attention_avx2, combine_avx2, softmax_sum_avx2, rope_avx2, router_avx2,
     &kLogitKernelsAvx2},
    {Isa::kAvx512, product_avx512, product_bf16_avx512, product_int8_avx2, quantize_blocks_avx512, product_block_avx2,
     rmsnorm_avx512, silu_mul_avx512, paged_attention_avx512, combine_avx512, softmax_sum_avx512, rope_avx512,
     router_avx512, &kLogitKernelsAvx512},
    {Isa::kAvx512Vnni, product_avx512, product_bf16_avx512, product_int8_avx512vnni, quantize_blocks_avx512,
     product_block_avx512vnni, rmsnorm_avx512, silu_mul_avx512, paged_attention_avx512, combine_avx512,
     softmax_sum_avx512, rope_avx512, router_avx512, &kLogitKernelsAvx512},
    {Isa::kAvx512Bf16, product_avx512, product_bf16_avx512bf16, product_int8_avx512vnni, quantize_blocks_avx512,
     product_block_avx512vnni, rmsnorm_avx512, silu_mul_avx512, paged_attention_avx512, combine_avx512,
     softmax_sum_avx512, rope_avx512, router_avx512, &kLogitKernelsAvx512},
};

std::atomic<const KernelTable*> in_use{nullptr};

}  // namespace

const KernelTable& kernels_of(Isa isa) { return kTables[static_cast<int>(isa)]; }

Status select_kernels() {
  Isa isa;
  SWITCHYARD_RETURN_IF_ERROR(choose_isa(std::getenv("SWITCHYARD_ISA"), &isa));
  in_use.store(&kernels_of(isa), std::memory_order_release);
  return {};
}

const KernelTable& kernels() {
  const KernelTable* table = in_use.load(std::memory_order_acquire);
  return table ? *table : kernels_of(available_isas().back());
}

}  // namespace switchyard
