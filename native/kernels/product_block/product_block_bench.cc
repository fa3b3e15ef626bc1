// The block products at the shapes of the others, their activations made INT8 before: a type of 8 bits, one of 4, and those with units of 256.
#include "kernels/bench/kernel_case.h"
#include "kernels/bench/product_shapes.h"

namespace switchyard::bench {

namespace {

using Kernel = void (*)(const BlockProductArgs&);

struct BlockType {
  const char* name;
  PackedType type;
};

KernelBench describe(Kernel kernel, const ProductShape& shape, const BlockType& of) {
  const size_t weight_bytes = packed_bytes(shape.num_rows, shape.num_columns, of.type);
  const size_t code_bytes = block_code_bytes(shape.num_rows, shape.num_columns, of.type);
  const std::string name = std::string("product-") + of.name + "-" + text_of(shape);
  return {name, RateUnit::kGops, work_of(shape, weight_bytes, sizeof(int8_t)), [=] {
            const Rotation weights(weight_bytes, true);
            const int num_blocks = shape.num_columns / kBlockColumns;
            const auto x = ordinary_floats(size_t(shape.num_tokens) * shape.num_columns);
            std::vector<ActivationBlock> blocks(size_t(shape.num_tokens) * num_blocks);
            quantize_blocks_ref({block_form(of.type), x.data(), size_t(shape.num_columns), num_blocks, shape.num_tokens,
                                 0, shape.num_tokens, blocks.data()});
            std::vector<float> y(size_t(shape.num_tokens) * shape.num_rows);
            return looped([=](uint64_t turn) mutable {
              const auto* codes = weights.at<uint8_t>(turn);
              kernel({of.type, codes, codes + code_bytes, shape.num_rows, num_blocks, 1, blocks.data(), y.data(),
                      size_t(shape.num_rows), shape.num_tokens});
            });
          }};
}

std::vector<Case> cases_of(const BlockType& type) {
  return cases_of_forms(&KernelTable::product_block, product_shapes(),
                        [type](Kernel kernel, const ProductShape& shape) { return describe(kernel, shape, type); });
}

const CaseTable q8_0_table(cases_of({"q8_0", PackedType::kQ8_0}));
const CaseTable q4_0_table(cases_of({"q4_0", PackedType::kQ4_0}));
const CaseTable q4_k_table(cases_of({"q4_k", PackedType::kQ4_K}));
const CaseTable q6_k_table(cases_of({"q6_k", PackedType::kQ6_K}));

}  // namespace

}  // namespace switchyard::bench
