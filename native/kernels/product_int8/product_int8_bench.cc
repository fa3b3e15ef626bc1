// The INT8 product at the shapes of the others, its activations made INT8 before.
#include "kernels/bench/kernel_case.h"
#include "kernels/bench/product_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const Int8ProductArgs&);

KernelBench describe(Kernel kernel, const ProductShape& shape) {
  const size_t weight_bytes = packed_bytes(shape.num_rows, shape.num_columns, PackedType::kInt8);
  return {"product-int8-" + text_of(shape), RateUnit::kGops, work_of(shape, weight_bytes, sizeof(int8_t)), [=] {
            const Rotation weights(weight_bytes, true);
            const auto scales = ordinary_floats(shape.num_rows);
            const auto x = ordinary_floats(size_t(shape.num_tokens) * shape.num_columns);
            auto activations = std::make_shared<Int8Activations>();
            activations->resize(shape.num_columns, shape.num_tokens);
            activations->quantize(x.data(), shape.num_columns, 0, shape.num_tokens);
            std::vector<float> y(size_t(shape.num_tokens) * shape.num_rows);
            return looped([=](uint64_t turn) mutable {
              kernel({weights.at<uint8_t>(turn), scales.data(), shape.num_rows, int8_num_quads(shape.num_columns),
                      activations->values(), activations->rows(), y.data(), size_t(shape.num_rows), shape.num_tokens});
            });
          }};
}

const CaseTable table(cases_of_forms(&KernelTable::product_int8, product_shapes(), describe));

}  // namespace

}  // namespace switchyard::bench
