// Products with fp32 and bf16 weights: those of a decode step (cold weights: a step passes over all of the model) and of a prefill.
#include "kernels/bench/kernel_case.h"
#include "kernels/bench/product_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const ProductArgs&);

KernelBench describe(Kernel kernel, const ProductShape& shape, PackedType type) {
  const bool is_bf16 = type == PackedType::kBf16;
  const std::string name = std::string("product-") + (is_bf16 ? "bf16" : "fp32");
  const size_t weight_bytes = packed_bytes(shape.num_rows, shape.num_columns, type);
  return {name + "-" + text_of(shape), RateUnit::kGflops, work_of(shape, weight_bytes, sizeof(float)), [=] {
            const Rotation weights(weight_bytes, true);
            const auto x = ordinary_floats(size_t(shape.num_tokens) * shape.num_columns);
            std::vector<float> y(size_t(shape.num_tokens) * shape.num_rows);
            return looped([=](uint64_t turn) mutable {
              kernel({weights.at<std::byte>(turn), is_bf16, shape.num_rows, shape.num_columns, 1, x.data(),
                      size_t(shape.num_columns), y.data(), size_t(shape.num_rows), shape.num_tokens});
            });
          }};
}

std::vector<Case> cases_of(PackedType type) {
  return cases_of_forms(&KernelTable::product, product_shapes(),
                        [type](Kernel kernel, const ProductShape& shape) { return describe(kernel, shape, type); });
}

const CaseTable fp32_table(cases_of(PackedType::kF32));
const CaseTable bf16_table(cases_of(PackedType::kBf16));

}  // namespace

}  // namespace switchyard::bench
