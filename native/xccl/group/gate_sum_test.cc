// The gate sum: every variant against the reference bit by bit over odd sizes and all formats, and one sum by hand.
#include "xccl/group/gate_sum.h"

#include <cmath>
#include <cstring>

#include "base/quantize_row.h"
#include "xccl/test_support.h"

namespace {

using namespace switchyard;
using namespace switchyard::xccl;
using namespace switchyard::xccl::testing;

using Bytes = std::vector<std::byte>;

float random_float(Random& random) { return static_cast<float>(static_cast<int32_t>(random.next())) * 0x1p-24f; }

Bytes random_row(Random& random, RowFormat format, uint32_t hidden) {
  Bytes row(row_bytes_of(format, hidden));
  for (uint32_t i = 0; i < hidden; ++i) {
    const float value = random_float(random);
    const uint16_t narrow = float_to_bf16(value);
    if (format == RowFormat::kFp32) std::memcpy(row.data() + 4 * i, &value, 4);
    if (format == RowFormat::kBf16) std::memcpy(row.data() + 2 * i, &narrow, 2);
    if (format == RowFormat::kInt8) row[i] = static_cast<std::byte>(random.next());
  }
  const float scale = random_float(random);
  if (format == RowFormat::kInt8) std::memcpy(row.data() + int8_scale_offset(hidden), &scale, 4);
  return row;
}

void check_shape(Random& random, GateSumArgs args) {
  std::vector<Bytes> rows;
  std::vector<const std::byte*> pointers;
  std::vector<float> gates;
  for (uint32_t k = 0; k < args.num_outputs; ++k) {
    rows.push_back(random_row(random, args.wire, args.hidden));
    gates.push_back(random_float(random));
  }
  for (const Bytes& row : rows) pointers.push_back(row.data());
  const Bytes shared = random_row(random, args.activation, args.hidden);
  args.outputs = pointers.data();
  args.gates = gates.data();
  args.shared = random.below(4) == 0 ? nullptr : shared.data();
  // The guard behind the row shows a store too many.
  Bytes expected(shared.size() + 4, std::byte{77});
  args.y = expected.data();
  gate_sum_of(Isa::kScalar)(args);
  for (const Isa isa : available_isas()) {
    Bytes got(shared.size() + 4, std::byte{77});
    args.y = got.data();
    gate_sum_of(isa)(args);
    CHECK(got == expected);
  }
}

TEST(xccl_gate_sum_variants_have_the_bits_of_the_reference) {
  Random random(test::seed());
  for (const RowFormat wire : {RowFormat::kFp32, RowFormat::kBf16, RowFormat::kInt8}) {
    for (const RowFormat activation : {RowFormat::kFp32, RowFormat::kBf16}) {
      for (uint32_t hidden = 1; hidden < 90; ++hidden) {
        GateSumArgs args;
        args.num_outputs = random.below(kTopKMax + 1);
        args.hidden = hidden;
        args.wire = wire;
        args.activation = activation;
        check_shape(random, args);
      }
    }
  }
}

TEST(xccl_gate_sum_adds_in_gate_order_with_one_rounding_each) {
  const float first = 0x1p24f;
  const float second = -0x1p24f;
  const std::byte* rows[] = {reinterpret_cast<const std::byte*>(&first), reinterpret_cast<const std::byte*>(&second)};
  const float gates[] = {1, 1};
  const float shared = 1;
  float y = 0;
  GateSumArgs args{rows, gates, 2, 1, RowFormat::kFp32, RowFormat::kFp32};
  args.shared = reinterpret_cast<const std::byte*>(&shared);
  args.y = reinterpret_cast<std::byte*>(&y);
  gate_sum()(args);
  CHECK(y == 0);  // (1 + 2^24) - 2^24: the 1 is lost to rounding, as the order demands
}

}  // namespace
