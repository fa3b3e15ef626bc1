#include "executor/weights/stored_type.h"

#include <bit>
#include <cstring>
#include <iterator>
#include <limits>

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
void widen_q8_0(const std::byte* block, float* out) {
  Reader reader(block);
  const float d = reader.half();
  const uint8_t* quants = reader.take(kBlock);
  for (uint64_t i = 0; i < kBlock; ++i) out[i] = d * static_cast<float>(static_cast<int8_t>(quants[i]));
}

/// Four or five bits; the low halves of the bytes come first. d * (q - zero), or d * q + m where the type has a minimum.
template <bool kHasMinimum, bool kHasFifthBit>
void widen_small(const std::byte* block, float* out) {
  Reader reader(block);
  const float d = reader.half();
  const float m = kHasMinimum ? reader.half() : 0.0f;
  const uint32_t fifth = kHasFifthBit ? reader.word() : 0;
  const uint8_t* nibbles = reader.take(kBlock / 2);
  constexpr int kZero = kHasMinimum ? 0 : kHasFifthBit ? 16 : 8;
  for (uint64_t i = 0; i < kBlock; ++i) {
    const uint32_t low = i < kBlock / 2 ? nibbles[i] & 0xfu : nibbles[i - kBlock / 2] >> 4;
    const int q = static_cast<int>(low | (fifth >> i & 1u) << 4) - kZero;
    out[i] = kHasMinimum ? d * static_cast<float>(q) + m : d * static_cast<float>(q);
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
void widen_k(const std::byte* block, float* out) {
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
void widen_q6_k(const std::byte* block, float* out) {
  Reader reader(block);
  const uint8_t* low = reader.take(kSuperBlock / 2);
  const uint8_t* high = reader.take(kSuperBlock / 4);
  const auto* scales = reinterpret_cast<const int8_t*>(reader.take(kSuperBlock / 16));
  const float d = reader.half();
  for (uint64_t i = 0; i < kSuperBlock; ++i) {
    const uint64_t half = i / 128;
    const uint64_t quarter = i / 32 % 4;
    const uint64_t column = i % 32;
    const uint8_t low_byte = low[half * 64 + quarter % 2 * 32 + column];
    const int low_bits = quarter < 2 ? low_byte & 0xf : low_byte >> 4;
    const int high_bits = high[half * 32 + column] >> (2 * quarter) & 3;
    const float scale = d * static_cast<float>(scales[i / 16]);
    out[i] = scale * static_cast<float>((low_bits | high_bits << 4) - 32);
  }
}

/// One sign, four exponent (bias 7) and three mantissa bits; no infinities, both patterns of all ones are NaN. Exact.
float f8_e4m3_to_float(uint8_t bits) {
  const uint32_t exponent = bits >> 3 & 0xfu;
  const uint32_t mantissa = bits & 7u;
  if (exponent == 15 && mantissa == 7) return std::numeric_limits<float>::quiet_NaN();
  const float magnitude = exponent == 0 ? static_cast<float>(mantissa) * 0x1p-9f
                                        : std::bit_cast<float>((exponent + 120) << 23 | mantissa << 20);
  return (bits & 0x80) != 0 ? -magnitude : magnitude;
}

void widen_bf16(const std::byte* element, float* out) {
  uint16_t bits;
  std::memcpy(&bits, element, sizeof(bits));
  *out = bf16_to_float(bits);
}
void widen_f16(const std::byte* element, float* out) { *out = Reader(element).half(); }
void widen_f32(const std::byte* element, float* out) { std::memcpy(out, element, sizeof(*out)); }
void widen_f8(const std::byte* element, float* out) { *out = f8_e4m3_to_float(static_cast<uint8_t>(*element)); }

struct Row {
  StoredLayout layout;
  void (*widen)(const std::byte* block, float* out);
};
/// By StoredType.
constexpr Row kRows[] = {
    {{1, 2}, widen_bf16},
    {{1, 2}, widen_f16},
    {{1, 4}, widen_f32},
    {{1, 1}, widen_f8},
    {{kBlock, 34}, widen_q8_0},
    {{kBlock, 18}, widen_small<false, false>},
    {{kBlock, 20}, widen_small<true, false>},
    {{kBlock, 22}, widen_small<false, true>},
    {{kBlock, 24}, widen_small<true, true>},
    {{kSuperBlock, 144}, widen_k<false>},
    {{kSuperBlock, 176}, widen_k<true>},
    {{kSuperBlock, 210}, widen_q6_k},
};
static_assert(std::size(kRows) == static_cast<size_t>(StoredType::kQ6_K) + 1);

}  // namespace

StoredLayout stored_layout(StoredType type) { return kRows[static_cast<size_t>(type)].layout; }

void widen_stored(StoredType type, const std::byte* data, uint64_t num_elements, float* out) {
  const auto& [layout, widen] = kRows[static_cast<size_t>(type)];
  for (uint64_t i = 0; i < num_elements; i += layout.block_elements, data += layout.block_bytes) widen(data, out + i);
}

}  // namespace switchyard::executor
