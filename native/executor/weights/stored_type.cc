#include "executor/weights/stored_type.h"

#include <bit>
#include <cstring>
#include <iterator>

#include "base/dtype.h"
#include "executor/weights/stored_blocks.h"

namespace switchyard::executor {
namespace {

/// d * q
void widen_q8_0(const std::byte* block, float* __restrict out) {
  BlockReader reader(block);
  const float d = fp16_to_float(reader.half_bits());
  const uint8_t* quants = reader.take(kBlock);
  for (uint64_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(quants[i]));
}

/// Four or five bits. d * (q - zero), or d * q + m where the type has a minimum.
template <bool kHasMinimum, bool kHasFifthBit>
void widen_small(const std::byte* block, float* __restrict out) {
  BlockReader reader(block);
  const float d = fp16_to_float(reader.half_bits());
  const float m = kHasMinimum ? fp16_to_float(reader.half_bits()) : 0.0f;
  const uint32_t fifth = kHasFifthBit ? reader.word() : 0;
  const uint8_t* nibbles = reader.take(kBlock / 2);
  constexpr int kZero = kHasMinimum ? 0 : kHasFifthBit ? 16 : 8;
  for (int i = 0; i < static_cast<int>(kBlock); ++i) {
    const float q = static_cast<float>(small_code(nibbles, fifth, i) - kZero);
    out[i] = kHasMinimum ? d * q + m : d * q;
  }
}

/// Eight sub-blocks of 32: (d * scale) * q - (dmin * minimum).
template <bool kHasFifthBit>
void widen_k(const std::byte* block, float* __restrict out) {
  BlockReader reader(block);
  const float d = fp16_to_float(reader.half_bits());
  const float d_min = fp16_to_float(reader.half_bits());
  const uint8_t* scales = reader.take(12);
  const uint8_t* fifth = kHasFifthBit ? reader.take(kBlock) : nullptr;
  const uint8_t* nibbles = reader.take(kSuperBlock / 2);
  for (int j = 0; j < 8; ++j) {
    const SubScale sub = sub_scale(scales, j);
    const float scale = d * static_cast<float>(sub.scale);
    const float minimum = d_min * static_cast<float>(sub.minimum);
    for (int i = 0; i < static_cast<int>(kBlock); ++i)
      out[j * kBlock + i] = scale * static_cast<float>(k_code(nibbles, fifth, j, i)) - minimum;
  }
}

/// Sixteen sub-blocks of 16: (d * scale) * (q - 32).
void widen_q6_k(const std::byte* block, float* __restrict out) {
  BlockReader reader(block);
  const uint8_t* low = reader.take(kSuperBlock / 2);
  const uint8_t* high = reader.take(kSuperBlock / 4);
  const auto* scales = reinterpret_cast<const int8_t*>(reader.take(kSuperBlock / 16));
  const float d = fp16_to_float(reader.half_bits());
  for (int j = 0; j < 16; ++j) {
    const float scale = d * static_cast<float>(scales[j]);
    for (int i = 0; i < 16; ++i) out[16 * j + i] = scale * static_cast<float>(k6_code(low, high, j, i) - 32);
  }
}

/// One sign, four exponent (bias 7) and three mantissa bits; no infinities, both patterns of all ones are NaN. Exact, and without a
/// branch, as fp16_to_float.
float f8_e4m3_to_float(uint8_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x80u) << 24;
  const uint32_t exponent = bits >> 3 & 0xfu;
  const uint32_t mantissa = bits & 7u;
  const uint32_t denormal = bit_mask(exponent == 0);
  const uint32_t nan = bit_mask((bits & 0x7fu) == 0x7fu) & 0x7fc00000u;
  const float normal = std::bit_cast<float>((exponent + 120 + (denormal & 1)) << 23 | mantissa << 20);
  const float excess = std::bit_cast<float>(denormal & std::bit_cast<uint32_t>(0x1p-6f));
  return std::bit_cast<float>(std::bit_cast<uint32_t>(normal - excess) | nan | sign);
}

template <typename Bits>
Bits load(const std::byte* at) {
  Bits bits;
  std::memcpy(&bits, at, sizeof(bits));
  return bits;
}

void widen_bf16(const std::byte* element, float* out) { *out = bf16_to_float(load<uint16_t>(element)); }
void widen_f16(const std::byte* element, float* out) { *out = fp16_to_float(load<uint16_t>(element)); }
void widen_f32(const std::byte* element, float* out) { *out = load<float>(element); }
void widen_f8(const std::byte* element, float* out) { *out = f8_e4m3_to_float(load<uint8_t>(element)); }
void widen_i8(const std::byte* element, float* out) { *out = static_cast<float>(load<int8_t>(element)); }

/// A run of blocks by the function of one, which the compiler takes into the loop.
template <uint64_t kElements, uint64_t kBytes, void (*kWidenBlock)(const std::byte*, float*)>
void widen_blocks(const std::byte* __restrict data, uint64_t num_blocks, float* __restrict out) {
  for (uint64_t i = 0; i < num_blocks; ++i) kWidenBlock(data + i * kBytes, out + i * kElements);
}

struct Row {
  StoredLayout layout;
  void (*widen)(const std::byte* data, uint64_t num_blocks, float* out);
};

template <uint64_t kElements, uint64_t kBytes, void (*kWidenBlock)(const std::byte*, float*)>
constexpr Row row() {
  return {{kElements, kBytes}, widen_blocks<kElements, kBytes, kWidenBlock>};
}

/// By StoredType.
constexpr Row kRows[] = {
    row<1, 2, widen_bf16>(),
    row<1, 2, widen_f16>(),
    row<1, 4, widen_f32>(),
    row<1, 1, widen_f8>(),
    row<1, 1, widen_i8>(),
    row<kBlock, 34, widen_q8_0>(),
    row<kBlock, 18, widen_small<false, false>>(),
    row<kBlock, 20, widen_small<true, false>>(),
    row<kBlock, 22, widen_small<false, true>>(),
    row<kBlock, 24, widen_small<true, true>>(),
    row<kSuperBlock, 144, widen_k<false>>(),
    row<kSuperBlock, 176, widen_k<true>>(),
    row<kSuperBlock, 210, widen_q6_k>(),
};
static_assert(std::size(kRows) == static_cast<size_t>(StoredType::kQ6_K) + 1);

}  // namespace

StoredLayout stored_layout(StoredType type) { return kRows[static_cast<size_t>(type)].layout; }

void widen_stored(StoredType type, const std::byte* data, uint64_t num_elements, float* out) {
  const auto& [layout, widen] = kRows[static_cast<size_t>(type)];
  widen(data, num_elements / layout.block_elements, out);
}

}  // namespace switchyard::executor
