// The reference: one output at a time, as docs/numerics.md says it.
#include <cmath>
#include <functional>

#include "base/dtype.h"
#include "kernels/product/packed_type.h"
#include "kernels/product/tree_sum.h"
#include "kernels/product_bf16/product_bf16.h"

namespace switchyard {
namespace {

constexpr float kNormalMin = 0x1p-126f;

float without_denormal(float x) { return std::fabs(x) < kNormalMin ? std::copysign(0.0f, x) : x; }

/// fma0 of product_bf16.h. A result that fma rounds up to 2^-126 may have been below it: 2^64 times as large it shows.
float fma0(float a, float b, float c) {
  a = without_denormal(a);
  b = without_denormal(b);
  c = without_denormal(c);
  const float sum = std::fma(a, b, c);
  if (!(std::fabs(sum) <= kNormalMin)) return sum;
  const float scaled = std::fma(a * 0x1p64f, b, c * 0x1p64f);
  return std::fabs(scaled) < kNormalMin * 0x1p64f ? std::copysign(0.0f, sum) : sum;
}

float weight_at(const Bf16ProductArgs& args, int row, size_t pair, int half) {
  const size_t step = static_cast<size_t>(row / kGroupRows) * args.num_pairs + pair;
  return bf16_to_float(static_cast<const uint16_t*>(args.weights)[(step * kGroupRows + row % kGroupRows) * 2 + half]);
}

float slice_sum(const Bf16ProductArgs& args, const uint32_t* x, int row, int first, int end) {
  float sum = 0.0f;
  for (int pair = first; pair < end; ++pair) {
    sum = fma0(weight_at(args, row, pair, 1), bf16_to_float(static_cast<uint16_t>(x[pair] >> 16)), sum);
    sum = fma0(weight_at(args, row, pair, 0), bf16_to_float(static_cast<uint16_t>(x[pair])), sum);
  }
  return sum;
}

}  // namespace

void product_bf16_ref(const Bf16ProductArgs& args) {
  const int slice_pairs = args.num_pairs / args.num_slices;
  for (int t = 0; t < args.num_tokens; ++t) {
    const uint32_t* x = args.x + static_cast<size_t>(t) * args.num_pairs;
    for (int row = 0; row < args.num_rows; ++row) {
      float slices[kMaxSlices];
      for (int s = 0; s < args.num_slices; ++s)
        slices[s] = slice_sum(args, x, row, s * slice_pairs, (s + 1) * slice_pairs);
      args.y[t * args.y_stride + row] = tree_sum(slices, 1, args.num_slices, std::plus<>());
    }
  }
}

}  // namespace switchyard
