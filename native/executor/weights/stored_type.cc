#include "executor/weights/stored_type.h"

#include <bit>
#include <cstring>
#include <iterator>

#include "base/dtype.h"

namespace switchyard::executor {
namespace {

constexpr uint64_t kBlock = 32;
constexpr uint64_t kSuperBlock = 256;

/// A block's bytes, read in the order in which they lie.
class Reader {
 public:
  explicit Reader(const std::byte* at) : at_(reinterpret_cast<const uint8_t*>(at)) {}
  const uint8_t* take(size_t num_bytes) {
    const uint8_t* taken = at_;
    at_ += num_bytes;
    return taken;
  }
  float half() {
    uint16_t bits;
    std::memcpy(&bits, take(sizeof(bits)), sizeof(bits));
    return fp16_to_float(bits);
  }
  uint32_t word() {
    uint32_t bits;
    std::memcpy(&bits, take(sizeof(bits)), sizeof(bits));
    return bits;
  }

 private:
  const uint8_t* at_;
};

/// d * q
void widen_q8_0(const std::byte* block, float* __restrict out) {
  Reader reader(block);
  const float d = reader.half();
  const uint8_t* quants = reader.take(kBlock);
  for (uint64_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(quants[i]));
}

/// Four or five bits; the low halves of the bytes come first. d * (q - zero), or d * q + m where the type has a minimum.
template <bool kHasMinimum, bool kHasFifthBit>
void widen_small(const std::byte* block, float* __restrict out) {
  Reader reader(block);
  const float d = reader.half();
  const float m = kHasMinimum ? reader.half() : 0.0f;
  const uint32_t fifth = kHasFifthBit ? reader.word() : 0;
  const uint8_t* nibbles = reader.take(kBlock / 2);
  constexpr int kZero = kHasMinimum ? 0 : kHasFifthBit ? 16 : 8;
  for (int half = 0; half < 2; ++half) {
    for (uint32_t i = 0; i < kBlock / 2; ++i) {
      const uint32_t low = nibbles[i] >> (4 * half) & 0xfu;
      const uint32_t high = fifth >> (16 * half + i) & 1u;
      const float q = static_cast<float>(static_cast<int>(low | high << 4) - kZero);
      out[half * kBlock / 2 + i] = kHasMinimum ? d * q + m : d * q;
    }
  }
}

/// Scale and minimum of sub-block j (0 to 7): six bits each, packed into 12 bytes.
struct SubScale {
  float scale;
  float minimum;
};
SubScale sub_scale(const uint8_t* packed, int j) {
  if (j < 4) return {static_cast<float>(packed[j] & 63), static_cast<float>(packed[j + 4] & 63)};
  const int scale = (packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4;
  const int minimum = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
  return {static_cast<float>(scale), static_cast<float>(minimum)};
}

/// Eight sub-blocks of 32: (d * scale) * q - (dmin * minimum).
template <bool kHasFifthBit>
void widen_k(const std::byte* block, float* __restrict out) {
  Reader reader(block);
  const float d = reader.half();
  const float d_min = reader.half();
  const uint8_t* scales = reader.take(12);
  const uint8_t* fifth = kHasFifthBit ? reader.take(kBlock) : nullptr;
  const uint8_t* nibbles = reader.take(kSuperBlock / 2);
  for (int j = 0; j < 8; ++j) {
    const SubScale sub = sub_scale(scales, j);
    const float scale = d * sub.scale;
    const float minimum = d_min * sub.minimum;
    // Two sub-blocks share 32 bytes: the first has their low halves.
    const uint8_t* from = nibbles + j / 2 * kBlock;
    for (uint64_t i = 0; i < kBlock; ++i) {
      const int low = j % 2 == 0 ? from[i] & 0xf : from[i] >> 4;
      const int high = kHasFifthBit ? (fifth[i] >> j & 1) << 4 : 0;
      out[j * kBlock + i] = scale * static_cast<float>(low | high) - minimum;
    }
  }
}

/// Sixteen sub-blocks of 16: (d * scale) * (q - 32), four low bits and two high ones apart, interleaved by 128 numbers.
void widen_q6_k(const std::byte* block, float* __restrict out) {
  Reader reader(block);
  const uint8_t* low = reader.take(kSuperBlock / 2);
  const uint8_t* high = reader.take(kSuperBlock / 4);
  const auto* scales = reinterpret_cast<const int8_t*>(reader.take(kSuperBlock / 16));
  const float d = reader.half();
  for (int j = 0; j < 16; ++j) {
    const int half = j / 8;
    const int quarter = j / 2 % 4;
    const uint8_t* low_bytes = low + half * 64 + quarter % 2 * 32 + j % 2 * 16;
    const uint8_t* high_bytes = high + half * 32 + j % 2 * 16;
    const int low_shift = quarter / 2 * 4;
    const int high_shift = quarter * 2;
    const float scale = d * static_cast<float>(scales[j]);
    for (int i = 0; i < 16; ++i) {
      const int q = (low_bytes[i] >> low_shift & 0xf) | (high_bytes[i] >> high_shift & 3) << 4;
      out[16 * j + i] = scale * static_cast<float>(q - 32);
    }
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
