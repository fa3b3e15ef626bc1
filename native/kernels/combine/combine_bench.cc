// The FFN sum over 8 experts' rows, of 1, 32 and 512 tokens.
#include <memory>

#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const CombineArgs&);

constexpr int kTopK = 8;

KernelBench describe(Kernel kernel, const RowShape& shape) {
  // y is read and written.
  return {
      "combine-" + text_of(shape), RateUnit::kGbytes, row_work(shape, 2 * kTopK, kTopK + 2), [=] {
        // Shared by all copies of the loop: the outputs point into it.
        const auto rows =
            std::make_shared<const std::vector<float>>(ordinary_floats(size_t(shape.num_tokens) * kTopK * shape.size));
        const auto outputs = rows_behind_each_other(rows->data(), shape.size * sizeof(float), shape.num_tokens * kTopK);
        const auto weights = ordinary_floats(size_t(shape.num_tokens) * kTopK);
        std::vector<float> y(size_t(shape.num_tokens) * shape.size);
        return looped([=, kept = rows](uint64_t) mutable {
          kernel({outputs.data(), false, weights.data(), y.data(), shape.num_tokens, kTopK, shape.size});
        });
      }};
}

const CaseTable table(cases_of_forms(&KernelTable::combine, row_shapes(), describe));

}  // namespace

}  // namespace switchyard::bench
