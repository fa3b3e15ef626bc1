// Maximum and sum of exponentials of a row: a router's and a vocabulary's.
#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = SoftmaxSum (*)(const float*, int);

KernelBench describe(Kernel kernel, const RowShape& shape) {
  // A comparison, a difference, the exponential, a sum.
  return {"softmax-sum-" + text_of(shape), RateUnit::kGbytes, row_work(shape, kExpOperations + 3, 1), [=] {
            const auto x = ordinary_floats(shape.size);
            return looped([=](uint64_t) {
              const SoftmaxSum result = kernel(x.data(), shape.size);
              asm volatile("" : : "g"(&result) : "memory");
            });
          }};
}

const std::vector<RowShape> kShapes{{1, 256}, {1, 32768}, {1, 151936}};

const CaseTable table(cases_of_forms(&KernelTable::softmax_sum, kShapes, describe));

}  // namespace

}  // namespace switchyard::bench
