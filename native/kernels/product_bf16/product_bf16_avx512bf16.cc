// `vdpbf16ps` itself.
#include "kernels/lanes/lanes_avx512.h"
#include "kernels/product/product_tile_avx512.h"
// After the two that it is written on.
#include "kernels/product/product_lanes.h"
#include "kernels/product_bf16/pair_steps.h"

namespace switchyard {
namespace {

struct DotForm : PairSteps {
  using Tile = RegisterTile;

  static __m512i load_weights(const Weight* weights) { return _mm512_loadu_si512(weights); }
  static __m512i load_input(const Input* x) { return _mm512_set1_epi32(static_cast<int>(*x)); }
  static Lanes add(Lanes sum, __m512i w, __m512i x) {
    return {_mm512_dpbf16_ps(sum.v, reinterpret_cast<__m512bh>(w), reinterpret_cast<__m512bh>(x))};
  }
};

}  // namespace

void product_bf16_avx512bf16(const Bf16ProductArgs& args) { run_product<DotForm>(args); }

}  // namespace switchyard
