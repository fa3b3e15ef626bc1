// What all fuzz targets share: the input as numbers, and how a target says that a promise is broken. Targets are built by
// `node native/build.mjs --variant fuzz` with clang alone (native/test/fuzz.mjs).
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <span>

/// A broken promise: ends the run with the input that broke it.
#define FUZZ_CHECK(condition)                                                                 \
  do {                                                                                        \
    if (!(condition)) {                                                                       \
      std::fprintf(stderr, "%s:%d: FUZZ_CHECK(%s) failed\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                           \
    }                                                                                         \
  } while (false)

namespace switchyard::fuzz {

class Input {
 public:
  Input(const uint8_t* data, size_t size) : left_(data, size) {}

  bool is_empty() const { return left_.empty(); }
  /// Zeroes follow when the input is used up.
  template <class T>
  T take() {
    T value{};
    const size_t num_bytes = std::min(sizeof(T), left_.size());
    std::memcpy(&value, left_.data(), num_bytes);
    left_ = left_.subspan(num_bytes);
    return value;
  }
  /// XORs what is left over a valid object: an input of zeroes leaves it valid.
  template <class T>
  void spoil(T* object) {
    auto* bytes = reinterpret_cast<uint8_t*>(object);
    const size_t num_bytes = std::min(sizeof(T), left_.size());
    for (size_t i = 0; i < num_bytes; ++i) bytes[i] ^= left_[i];
    left_ = left_.subspan(num_bytes);
  }

 private:
  std::span<const uint8_t> left_;
};

}  // namespace switchyard::fuzz
