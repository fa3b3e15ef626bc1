// The product of bf16 weights and activations at the shapes of the others, its activations rounded before.
#include "kernels/bench/kernel_case.h"
#include "kernels/bench/product_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const Bf16ProductArgs&);

KernelBench describe(Kernel kernel, const ProductShape& shape) {
  const size_t weight_bytes = packed_bytes(shape.num_rows, shape.num_columns, PackedType::kBf16Pairs);
  return {"product-bf16-pairs-" + text_of(shape), RateUnit::kGflops, work_of(shape, weight_bytes, sizeof(uint16_t)),
          [=] {
            const Rotation weights(weight_bytes, true);
            const auto x = ordinary_floats(size_t(shape.num_tokens) * shape.num_columns);
            auto activations = std::make_shared<Bf16Activations>();
            activations->resize(shape.num_columns, shape.num_tokens);
            activations->round(x.data(), shape.num_columns, 0, shape.num_tokens);
            std::vector<float> y(size_t(shape.num_tokens) * shape.num_rows);
            return looped([=](uint64_t turn) mutable {
              kernel({weights.at<std::byte>(turn), shape.num_rows, bf16_num_pairs(shape.num_columns), 1,
                      activations->pairs(), y.data(), size_t(shape.num_rows), shape.num_tokens});
            });
          }};
}

const CaseTable table(cases_of_forms(&KernelTable::product_bf16, product_shapes(), describe));

}  // namespace

}  // namespace switchyard::bench
