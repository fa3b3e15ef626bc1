// What both vector forms of the bf16 product have in common as a Form of product_lanes.h: a step takes two columns, a word each of weights
// and x.
#pragma once

#include <cstddef>
#include <cstdint>

#include "kernels/product_bf16/product_bf16.h"

namespace switchyard {

struct PairSteps {
  using Args = Bf16ProductArgs;
  using Weight = uint32_t;
  using Input = uint32_t;

  static int num_steps(const Args& args) { return args.num_pairs; }
  static size_t input_stride(const Args& args) { return args.num_pairs; }
};

}  // namespace switchyard
