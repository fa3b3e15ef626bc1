// RMSNorm of 1, 32 and 512 tokens.
#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const RmsNormArgs&);

KernelBench describe(Kernel kernel, const RowShape& shape) {
  const KernelWork work = row_work(shape, 4, 2, double(shape.size) * sizeof(float));
  return {"rmsnorm-" + text_of(shape), RateUnit::kGbytes, work, [=] {
            const auto x = ordinary_floats(size_t(shape.num_tokens) * shape.size);
            const auto weight = ordinary_floats(shape.size);
            std::vector<float> y(x.size());
            return looped([=](uint64_t) mutable {
              kernel({x.data(), size_t(shape.size), weight.data(), y.data(), size_t(shape.size), shape.num_tokens,
                      shape.size, 1e-6f});
            });
          }};
}

const CaseTable table(cases_of_forms(&KernelTable::rmsnorm, row_shapes(), describe));

}  // namespace

}  // namespace switchyard::bench
