// The vector form: lanes over output rows, a tile of tokens for each load of weights. Include behind a lanes_*.h and a product_tile_*.h.
// A tile is NumTokens rows of x by NumGroups groups of 16 outputs: its accumulators are independent chains that hide the latency of fma, and
// must all fit in registers beside the weights and one number of x. What a step along k is says a Form: one column here, two in product_bf16.
#pragma once

#include "kernels/lanes/product_tiles.h"
#include "kernels/product/product.h"
#include "kernels/product/tree_sum.h"

namespace switchyard {
namespace {

/// One column a step.
template <typename Element>
struct ColumnForm {
  using Args = ProductArgs;
  using Weight = Element;
  using Input = float;
  using Tile = RegisterTile;

  static int num_steps(const Args& args) { return args.num_columns; }
  static size_t input_stride(const Args& args) { return args.x_stride; }
  static Lanes load_weights(const Weight* weights) { return Lanes::load(weights); }
  static Lanes load_input(const Input* x) { return Lanes::broadcast(*x); }
  static Lanes add(Lanes sum, Lanes w, Lanes x) { return Lanes::fma(w, x, sum); }
};

/// Of one tile, in weights and inputs of a step.
template <typename Form>
struct Operands {
  const typename Form::Weight* weights;  // of the first group: [step][16]
  size_t group_stride;                   // from one group to the next
  const typename Form::Input* x;         // of the first token: [step]
  size_t x_stride;
};

template <typename Form, int NumTokens, int NumGroups>
void sum_slice(const Operands<Form>& in, int first, int end, Lanes (&slice)[NumTokens][NumGroups]) {
  Lanes sum[NumTokens][NumGroups];  // in registers, as `slice` would not be
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) sum[t][g] = Lanes::zero();
  }
  for (int step = first; step < end; ++step) {
    decltype(Form::load_weights(in.weights)) w[NumGroups];
    for (int g = 0; g < NumGroups; ++g)
      w[g] = Form::load_weights(in.weights + g * in.group_stride + static_cast<size_t>(step) * kGroupRows);
    for (int t = 0; t < NumTokens; ++t) {
      const auto x = Form::load_input(in.x + t * in.x_stride + step);
      for (int g = 0; g < NumGroups; ++g) sum[t][g] = Form::add(sum[t][g], w[g], x);
    }
  }
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) slice[t][g] = sum[t][g];
  }
}

template <typename Form, int NumTokens, int NumGroups>
void run_tile(const typename Form::Args& args, int first_group, int first_token) {
  const int num_steps = Form::num_steps(args);
  const size_t group_stride = static_cast<size_t>(num_steps) * kGroupRows;
  const size_t x_stride = Form::input_stride(args);
  const Operands<Form> in{static_cast<const typename Form::Weight*>(args.weights) + first_group * group_stride,
                          group_stride, args.x + first_token * x_stride, x_stride};
  const int slice_steps = num_steps / args.num_slices;
  Lanes slices[kMaxSlices][NumTokens][NumGroups];
  for (int s = 0; s < args.num_slices; ++s)
    sum_slice<Form, NumTokens, NumGroups>(in, s * slice_steps, (s + 1) * slice_steps, slices[s]);
  for (int t = 0; t < NumTokens; ++t) {
    for (int g = 0; g < NumGroups; ++g) {
      const Lanes& y = tree_sum(&slices[0][t][g], NumTokens * NumGroups, args.num_slices, Lanes::add);
      store_group(y, first_group + g, args.num_rows, args.y + (first_token + t) * args.y_stride);
    }
  }
}

template <typename Form>
void run_product(const typename Form::Args& args) {
  run_tiles<typename Form::Tile>(args.num_rows, args.num_tokens,
                                 [&]<int NumTokens, int NumGroups>(int first_group, int first_token) {
                                   run_tile<Form, NumTokens, NumGroups>(args, first_group, first_token);
                                 });
}

inline void run_product_of_any_weight(const ProductArgs& args) {
  if (args.is_bf16) {
    run_product<ColumnForm<uint16_t>>(args);
  } else {
    run_product<ColumnForm<float>>(args);
  }
}

}  // namespace
}  // namespace switchyard
