// Making activations INT8 by blocks, of 1, 32 and 512 tokens.
#include "kernels/bench/row_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const QuantizeBlocksArgs&);

/// Of a number: its magnitude, the larger one, a product, rounding, a sum.
constexpr double kOperations = 5;

KernelBench describe(Kernel kernel, const RowShape& shape) {
  const int num_blocks = shape.size / kBlockColumns;
  const size_t num_all = size_t(shape.num_tokens) * num_blocks;
  const KernelWork work = row_work(shape, kOperations, 1, double(num_all) * sizeof(ActivationBlock));
  return {"quantize-blocks-" + text_of(shape), RateUnit::kGbytes, work, [=] {
            const auto x = ordinary_floats(size_t(shape.num_tokens) * shape.size);
            std::vector<ActivationBlock> blocks(num_all);
            return looped([=](uint64_t) mutable {
              kernel({block_form(PackedType::kQ8_0), x.data(), size_t(shape.size), num_blocks, shape.num_tokens, 0,
                      shape.num_tokens, blocks.data()});
            });
          }};
}

const CaseTable table(cases_of_forms(&KernelTable::quantize_blocks, row_shapes(), describe));

}  // namespace

}  // namespace switchyard::bench
