// The row quantisation: every variant against the reference bit by bit over odd sizes, the reference against values by hand.
#include "base/quantize_row.h"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "base/dtype.h"
#include "test/test.h"

namespace {

using namespace switchyard;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

struct Quantized {
  float scale = 0;
  std::vector<int8_t> q;
  bool operator==(const Quantized& other) const {
    return std::bit_cast<uint32_t>(scale) == std::bit_cast<uint32_t>(other.scale) && q == other.q;
  }
};

/// The guard behind the row shows a store too many.
Quantized quantize(const QuantizeKernels& kernels, const std::vector<float>& x) {
  Quantized out{0, std::vector<int8_t>(x.size() + 1, 99)};
  out.scale = kernels.from_f32(x.data(), x.size(), out.q.data());
  return out;
}

Quantized quantize(const QuantizeKernels& kernels, const std::vector<uint16_t>& x) {
  Quantized out{0, std::vector<int8_t>(x.size() + 1, 99)};
  out.scale = kernels.from_bf16(x.data(), x.size(), out.q.data());
  return out;
}

std::vector<uint16_t> round_row(const QuantizeKernels& kernels, const std::vector<float>& x) {
  std::vector<uint16_t> out(x.size() + 1, 999);
  kernels.round_bf16(x.data(), x.size(), out.data());
  return out;
}

class Bits {
 public:
  explicit Bits(uint64_t seed) : state_(seed) {}
  uint32_t next() {
    state_ = state_ * 6364136223846793005ull + 1442695040888963407ull;
    return static_cast<uint32_t>(state_ >> 32);
  }

 private:
  uint64_t state_;
};

/// kAny: every bit pattern, so most rows hold a NaN; kSane: finite numbers of like magnitude; kTies: halves of the scale.
enum class Numbers { kAny, kSane, kTies };

float number(Bits& bits, Numbers kind) {
  if (kind == Numbers::kAny) return std::bit_cast<float>(bits.next());
  if (kind == Numbers::kSane) return std::ldexp(static_cast<float>(static_cast<int32_t>(bits.next())), -31);
  return static_cast<float>(static_cast<int32_t>(bits.next() % 255) - 127) * 0.5f;
}

TEST(quantize_row_variants_have_the_bits_of_the_reference) {
  Bits bits(test::seed());
  const QuantizeKernels& reference = quantize_kernels_of(Isa::kScalar);
  for (const Numbers kind : {Numbers::kAny, Numbers::kSane, Numbers::kTies}) {
    for (size_t n = 0; n < 300; ++n) {
      std::vector<float> x(n);
      for (float& value : x) value = number(bits, kind);
      if (kind == Numbers::kTies && n > 0) x[n / 2] = 127;
      const std::vector<uint16_t> narrow = round_row(reference, x);
      for (const Isa isa : available_isas()) {
        CHECK(quantize(quantize_kernels_of(isa), x) == quantize(reference, x));
        CHECK(quantize(quantize_kernels_of(isa), narrow) == quantize(reference, narrow));
        CHECK(round_row(quantize_kernels_of(isa), x) == narrow);
      }
    }
  }
}

TEST(quantize_row_rounds_ties_to_even_and_never_gives_minus_128) {
  const Quantized ties = quantize(quantize_kernels(), std::vector<float>{127, 0.5f, 1.5f, 2.5f, -0.5f, -1.5f, -127});
  CHECK(ties.scale == 1 && ties.q == (std::vector<int8_t>{127, 0, 2, 2, 0, -2, -127, 99}));
  Bits bits(test::seed());
  for (int i = 0; i < 2000; ++i) {
    const float amax = std::bit_cast<float>((bits.next() & 0x7fffffffu) % 0x7f800000u);
    const Quantized row = quantize(quantize_kernels(), std::vector<float>{-amax, amax});
    CHECK(amax < kQuantizeAmaxMin ? row.scale == 0 && row.q[0] == 0 : row.q[0] == -127 && row.q[1] == 127);
  }
}

TEST(quantize_row_of_zeros_has_scale_0_and_of_others_within_half_a_step) {
  const Quantized zeros = quantize(quantize_kernels(), std::vector<float>(40, -0.0f));
  CHECK(zeros.scale == 0 && zeros.q[39] == 0);
  Bits bits(test::seed());
  std::vector<float> x(333);
  for (float& value : x) value = number(bits, Numbers::kSane);
  const Quantized row = quantize(quantize_kernels(), x);
  for (size_t i = 0; i < x.size(); ++i) CHECK(std::fabs(x[i] - row.scale * row.q[i]) <= row.scale * 0.50001f);
}

TEST(quantize_row_with_a_nan_or_infinity_is_nan_as_a_whole) {
  for (const float bad : {kNaN, -kNaN, kInf, -kInf}) {
    for (const size_t at : {0, 31, 64}) {
      std::vector<float> x(65, 1.0f);
      x[at] = bad;
      const Quantized row = quantize(quantize_kernels(), x);
      CHECK(std::isnan(row.scale) && row.q[0] == 0 && row.q[64] == 0);
    }
  }
}

TEST(quantize_row_bf16_rounds_to_nearest_even) {
  const float one = 1.0f;
  const float step = 0x1p-7f;
  const std::vector<uint16_t> got =
      round_row(quantize_kernels(),
                {one + step / 2, one + step * 1.5f, one + step * 0.51f, kInf, 3.4028234e38f, -0.0f, 0x1p-149f});
  CHECK(got == (std::vector<uint16_t>{0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7f80, 0x8000, 0x0000, 999}));
  CHECK(std::isnan(bf16_to_float(round_row(quantize_kernels(), {std::bit_cast<float>(0x7f800001u)})[0])));
}

}  // namespace
