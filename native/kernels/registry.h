// The table of kernels: one row an instruction set, chosen once at start (base/isa.h), each row callable by tests.
#pragma once

#include <string>

#include "base/isa.h"
#include "kernels/activation/silu_mul.h"
#include "kernels/attention/paged_attention.h"
#include "kernels/combine/combine.h"
#include "kernels/product/product.h"
#include "kernels/product_bf16/product_bf16.h"
#include "kernels/product_block/product_block.h"
#include "kernels/product_int8/product_int8.h"
#include "kernels/rmsnorm/rmsnorm.h"
#include "kernels/rope/rope.h"
#include "kernels/router/router.h"
#include "kernels/sampling/logit_kernels.h"
#include "kernels/softmax/softmax_sum.h"

namespace switchyard {

struct KernelTable {
  Isa isa;
  void (*product)(const ProductArgs&);
  void (*product_bf16)(const Bf16ProductArgs&);
  void (*product_int8)(const Int8ProductArgs&);
  void (*quantize_blocks)(const QuantizeBlocksArgs&);
  void (*product_block)(const BlockProductArgs&);
  void (*rmsnorm)(const RmsNormArgs&);
  void (*silu_mul)(const SiluMulArgs&);
  void (*paged_attention)(const PagedAttentionArgs&);
  void (*combine)(const CombineArgs&);
  SoftmaxSum (*softmax_sum)(const float*, int);
  void (*rope)(const RopeArgs&);
  void (*router)(const RouterArgs&);
  const LogitKernels* logits;
};

/// The table of one instruction set; calling it on a machine without that set is an illegal instruction.
const KernelTable& kernels_of(Isa isa);

/// Chooses the table by SWITCHYARD_ISA; every entry point of the addon calls it before it runs a kernel.
Status select_kernels();

/// The table in use: the one select_kernels chose, or the fastest available.
const KernelTable& kernels();

/// Version of docs/numerics.md.
inline constexpr int kContractVersion = 4;

/// "policy/kernelClass/contractVersion/hash" (D2); the hash is over the output bits of a fixed self-test on the table in use,
/// which in kernel class "mla-split" runs split attention too.
std::string numeric_class(const std::string& policy, const std::string& kernel_class);

}  // namespace switchyard
