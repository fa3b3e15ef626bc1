#include "addon/field_lists.h"

namespace switchyard::addon {
namespace {

std::string element_path(const Fields& js, const char* name, uint32_t i) {
  return js.path_of(name).append("[").append(std::to_string(i)).append("]");
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

void refuse(const Fields& js, const char* name, const std::string& what) {
  Fields::fail(js.env(), js.path_of(name), what);
}

int32_t int_field(const Fields& js, const char* name, int32_t least, int32_t most) {
  const int32_t value = js.i32(name);
  if (value < least || value > most)
    refuse(js, name, "must be from " + std::to_string(least) + " to " + std::to_string(most));
  return value;
}

std::vector<int32_t> int_list(const Fields& js, const char* name) {
  const Napi::Array values = js.array(name);
  std::vector<int32_t> result(values.Length());
  for (uint32_t i = 0; i < result.size(); ++i) {
    const Napi::Value value = values.Get(i);
    const double number = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
    if (number != std::floor(number) || !(number >= INT32_MIN && number <= INT32_MAX)) {
      Fields::fail(js.env(), element_path(js, name, i), "must be a 32-bit integer");
    }
    result[i] = static_cast<int32_t>(number);
  }
  return result;
}

std::vector<uint64_t> u64_list(const Fields& js, const char* name) {
  const Napi::Array values = js.array(name);
  std::vector<uint64_t> result(values.Length());
  for (uint32_t i = 0; i < result.size(); ++i) result[i] = Fields::u64_of(values.Get(i), element_path(js, name, i));
  return result;
}

std::vector<Fields> object_list(const Fields& js, const char* name) {
  const Napi::Array values = js.array(name);
  std::vector<Fields> result;
  result.reserve(values.Length());
  for (uint32_t i = 0; i < values.Length(); ++i) result.emplace_back(values.Get(i), element_path(js, name, i));
  return result;
}

void read_hex_bytes(const Fields& js, const char* name, uint8_t* bytes, size_t count) {
  const std::string digits = js.string(name);
  bool is_hex = digits.size() == 2 * count;
  for (size_t i = 0; is_hex && i < count; ++i) {
    const int high = hex_digit(digits[2 * i]);
    const int low = hex_digit(digits[2 * i + 1]);
    is_hex = high >= 0 && low >= 0;
    bytes[i] = static_cast<uint8_t>((high << 4) | low);
  }
  if (!is_hex) refuse(js, name, "must be " + std::to_string(2 * count) + " hex digits");
}

}  // namespace switchyard::addon
