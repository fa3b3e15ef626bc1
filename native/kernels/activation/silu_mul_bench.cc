// silu32(gate) * up of 1, 32 and 512 tokens.
#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const SiluMulArgs&);

KernelBench describe(Kernel kernel, const RowShape& shape) {
  return {"silu-mul-" + text_of(shape), RateUnit::kGbytes, row_work(shape, kExpOperations + 4, 3), [=] {
            const auto gate_up = ordinary_floats(size_t(shape.num_tokens) * 2 * shape.size);
            std::vector<float> y(size_t(shape.num_tokens) * shape.size);
            return looped([=](uint64_t) mutable { kernel({gate_up.data(), y.data(), shape.num_tokens, shape.size}); });
          }};
}

const CaseTable table(cases_of_forms(&KernelTable::silu_mul, row_shapes(), describe));

}  // namespace

}  // namespace switchyard::bench
