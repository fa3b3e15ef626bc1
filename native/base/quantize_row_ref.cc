// The reference of the row quantisation: the definition, one number at a time.
#include <algorithm>
#include <cmath>

#include "base/dtype.h"
#include "base/quantize_row_variants.h"

namespace switchyard {
namespace {

float widen(float x) { return x; }
float widen(uint16_t x) { return bf16_to_float(x); }

template <class Element>
float quantize(const Element* x, size_t n, int8_t* q) {
  uint32_t amax_bits = 0;
  for (size_t i = 0; i < n; ++i) amax_bits = std::max(amax_bits, std::bit_cast<uint32_t>(widen(x[i])) & kMagnitudeBits);
  const RowScale row = row_scale(amax_bits);
  for (size_t i = 0; i < n; ++i)
    q[i] = row.inverse == 0 ? 0 : static_cast<int8_t>(std::rint(widen(x[i]) * row.inverse));
  return row.scale;
}

}  // namespace

float quantize_f32_ref(const float* x, size_t n, int8_t* q) { return quantize(x, n, q); }

float quantize_bf16_ref(const uint16_t* x, size_t n, int8_t* q) { return quantize(x, n, q); }

void round_bf16_ref(const float* x, size_t n, uint16_t* out) {
  for (size_t i = 0; i < n; ++i) out[i] = float_to_bf16(x[i]);
}

}  // namespace switchyard
