// How the bytes of a GGUF block are read: what widening them (stored_type.cc) and taking them apart (block_units.cc) share.
// Block types: ggml-common.h and ggml-quants.c of llama.cpp.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>

namespace switchyard::executor {

inline constexpr uint64_t kBlock = 32;
inline constexpr uint64_t kSuperBlock = 256;

/// A block's bytes, read in the order in which they lie.
class BlockReader {
 public:
  explicit BlockReader(const std::byte* at) : at_(reinterpret_cast<const uint8_t*>(at)) {}
  const uint8_t* take(size_t num_bytes) {
    const uint8_t* taken = at_;
    at_ += num_bytes;
    return taken;
  }
  uint16_t half_bits() { return word<uint16_t>(); }
  uint32_t word() { return word<uint32_t>(); }

 private:
  template <class Word>
  Word word() {
    Word bits;
    std::memcpy(&bits, take(sizeof(bits)), sizeof(bits));
    return bits;
  }

  const uint8_t* at_;
};

/// Number i of a block of four or five bits: the low halves of the bytes come first; `fifth` has the fifth bits.
inline uint8_t small_code(const uint8_t* nibbles, uint32_t fifth, int i) {
  const int low = nibbles[i % 16] >> (i / 16 * 4) & 0xf;
  return static_cast<uint8_t>(low | static_cast<int>(fifth >> i & 1u) << 4);
}

/// Scale and minimum of sub-block j (0 to 7) of a K type: six bits each, packed into 12 bytes.
struct SubScale {
  uint8_t scale;
  uint8_t minimum;
};
inline SubScale sub_scale(const uint8_t* packed, int j) {
  if (j < 4) return {static_cast<uint8_t>(packed[j] & 63), static_cast<uint8_t>(packed[j + 4] & 63)};
  const int scale = (packed[j + 4] & 0xf) | (packed[j - 4] >> 6) << 4;
  const int minimum = packed[j + 4] >> 4 | (packed[j] >> 6) << 4;
  return {static_cast<uint8_t>(scale), static_cast<uint8_t>(minimum)};
}

/// Number i of sub-block j of Q4_K or Q5_K. Two sub-blocks share 32 bytes: the first has their low halves. `fifth` [32], or null.
inline uint8_t k_code(const uint8_t* nibbles, const uint8_t* fifth, int j, int i) {
  const uint8_t byte = nibbles[j / 2 * 32 + i];
  const int low = j % 2 == 0 ? byte & 0xf : byte >> 4;
  return static_cast<uint8_t>(fifth ? low | (fifth[i] >> j & 1) << 4 : low);
}

/// Number i of sub-block j (of 16) of Q6_K: four low bits [128] and two high ones [64] apart, interleaved by 128 numbers.
inline uint8_t k6_code(const uint8_t* low, const uint8_t* high, int j, int i) {
  const int half = j / 8;
  const int quarter = j / 2 % 4;
  const int low_bits = low[half * 64 + quarter % 2 * 32 + j % 2 * 16 + i] >> (quarter / 2 * 4) & 0xf;
  const int high_bits = high[half * 32 + j % 2 * 16 + i] >> (quarter * 2) & 3;
  return static_cast<uint8_t>(low_bits | high_bits << 4);
}

}  // namespace switchyard::executor
