// Payloads of at most 16 bytes as two words: read from and written to memory without a call or a loop, so that they travel in
// registers. Byte i is bits 8i.. of the first word, from byte 8 on of the second.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>

namespace switchyard::xccl {

static_assert(std::endian::native == std::endian::little);

inline constexpr uint32_t kSmallBytesMax = 16;

struct SmallBytes {
  uint64_t words[2];
};

namespace small_bytes_detail {

template <class Word>
Word load(const std::byte* at) {
  Word word;
  std::memcpy(&word, at, sizeof(word));
  return word;
}

template <class Word>
void store(std::byte* at, Word word) {
  std::memcpy(at, &word, sizeof(word));
}

}  // namespace small_bytes_detail

/// num_bytes <= 16; nothing beyond them is read.
inline SmallBytes small_load(const std::byte* from, size_t num_bytes) {
  using small_bytes_detail::load;
  SmallBytes bytes{};
  if (num_bytes == 8) [[likely]] {
    bytes.words[0] = load<uint64_t>(from);
  } else if (num_bytes > 8) {
    bytes.words[0] = load<uint64_t>(from);
    bytes.words[1] = load<uint64_t>(from + num_bytes - 8) >> (8 * (16 - num_bytes));
  } else if (num_bytes >= 4) {
    const uint64_t last = load<uint32_t>(from + num_bytes - 4);
    bytes.words[0] = load<uint32_t>(from) | last << (8 * (num_bytes - 4));
  } else if (num_bytes > 0) {
    // The first, the middle and the last byte are all there are.
    const uint64_t first = load<uint8_t>(from);
    const uint64_t middle = load<uint8_t>(from + num_bytes / 2);
    const uint64_t last = load<uint8_t>(from + num_bytes - 1);
    bytes.words[0] = first | middle << (8 * (num_bytes / 2)) | last << (8 * (num_bytes - 1));
  }
  return bytes;
}

/// num_bytes <= 16; nothing beyond them is written.
inline void small_store(std::byte* to, const SmallBytes& bytes, size_t num_bytes) {
  using small_bytes_detail::store;
  const uint64_t first = bytes.words[0];
  if (num_bytes == 8) [[likely]] {
    store(to, first);
  } else if (num_bytes > 8) {
    const auto shift = static_cast<uint32_t>(8 * (num_bytes - 8));
    const uint64_t last = shift == 64 ? bytes.words[1] : first >> shift | bytes.words[1] << (64 - shift);
    store(to, first);
    store(to + num_bytes - 8, last);
  } else if (num_bytes >= 4) {
    store(to, static_cast<uint32_t>(first));
    store(to + num_bytes - 4, static_cast<uint32_t>(first >> (8 * (num_bytes - 4))));
  } else if (num_bytes > 0) {
    store(to, static_cast<uint8_t>(first));
    store(to + num_bytes / 2, static_cast<uint8_t>(first >> (8 * (num_bytes / 2))));
    store(to + num_bytes - 1, static_cast<uint8_t>(first >> (8 * (num_bytes - 1))));
  }
}

}  // namespace switchyard::xccl
