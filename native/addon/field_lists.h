// Reading of fields that hold ranges, lists and hex digits, on top of Fields (napi_util.h). Called by the executor's conversions.
#pragma once

#include <initializer_list>
#include <string>
#include <utility>
#include <vector>

#include "addon/napi_util.h"

namespace switchyard::addon {

[[noreturn]] void refuse(const Fields& js, const char* name, const std::string& what);

/// A whole number from least to most.
int32_t int_field(const Fields& js, const char* name, int32_t least, int32_t most = INT32_MAX);

/// One of the names that stand for values.
template <class Value>
Value choice_field(const Fields& js, const char* name, std::initializer_list<std::pair<const char*, Value>> choices) {
  const std::string given = js.string(name);
  std::string known;
  for (const auto& [text, value] : choices) {
    if (given == text) return value;
    known += (known.empty() ? "'" : ", '") + std::string(text) + "'";
  }
  refuse(js, name, "must be one of " + known);
}

std::vector<int32_t> int_list(const Fields& js, const char* name);
/// bigints from 0 to 2^64 - 1.
std::vector<uint64_t> u64_list(const Fields& js, const char* name);
std::vector<Fields> object_list(const Fields& js, const char* name);
/// Exactly `count` bytes as hex digits.
void read_hex_bytes(const Fields& js, const char* name, uint8_t* bytes, size_t count);

template <size_t N>
void read_hex(const Fields& js, const char* name, uint8_t (&bytes)[N]) {
  read_hex_bytes(js, name, bytes, N);
}

}  // namespace switchyard::addon
