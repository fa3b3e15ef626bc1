#include "addon/js_reader.h"

#include <cmath>

#include "addon/js_error.h"

namespace switchyard::addon {
namespace {

bool is_whole(double value, double least, double most) { return value >= least && value <= most && std::floor(value) == value; }

bool to_u64(const Napi::Value& value, uint64_t* out) {
  if (!value.IsBigInt()) return false;
  bool lossless = false;
  *out = value.As<Napi::BigInt>().Uint64Value(&lossless);
  return lossless;
}

std::string element_name(const char* name, uint32_t i) {
  std::string text = name;
  text.append("[").append(std::to_string(i)).append("]");
  return text;
}

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

}  // namespace

JsReader::JsReader(Napi::Value value, std::string path) : path_(std::move(path)) {
  if (!value.IsObject()) throw_status(value.Env(), {Code::kInvalidArgument, path_ + " must be an object"});
  object_ = value.As<Napi::Object>();
}

void JsReader::refuse(const std::string& name, const std::string& wanted) const {
  throw_status(object_.Env(), {Code::kInvalidArgument, path_ + "." + name + " must be " + wanted});
}

Napi::Value JsReader::raw(const char* name) const { return object_.Get(name); }

double JsReader::number(const char* name) const {
  const Napi::Value value = raw(name);
  if (!value.IsNumber()) refuse(name, "a number");
  return value.As<Napi::Number>().DoubleValue();
}

int32_t JsReader::integer(const char* name, int32_t least, int32_t most) const {
  const double value = number(name);
  if (!is_whole(value, least, most)) refuse(name, "a whole number from " + std::to_string(least) + " to " + std::to_string(most));
  return static_cast<int32_t>(value);
}

uint64_t JsReader::size(const char* name) const {
  const double value = number(name);
  if (!is_whole(value, 0, 0x1p53)) refuse(name, "a whole number that is not negative");
  return static_cast<uint64_t>(value);
}

bool JsReader::boolean(const char* name) const {
  const Napi::Value value = raw(name);
  if (!value.IsBoolean()) refuse(name, "a boolean");
  return value.As<Napi::Boolean>().Value();
}

std::string JsReader::text(const char* name) const {
  const Napi::Value value = raw(name);
  if (!value.IsString()) refuse(name, "a string");
  return value.As<Napi::String>().Utf8Value();
}

uint64_t JsReader::big(const char* name) const {
  uint64_t value = 0;
  if (!to_u64(raw(name), &value)) refuse(name, "a bigint from 0 to 2^64 - 1");
  return value;
}

Napi::Function JsReader::function(const char* name) const {
  const Napi::Value value = raw(name);
  if (!value.IsFunction()) refuse(name, "a function");
  return value.As<Napi::Function>();
}

Napi::Array JsReader::array(const char* name) const {
  const Napi::Value value = raw(name);
  if (!value.IsArray()) refuse(name, "an array");
  return value.As<Napi::Array>();
}

std::vector<int32_t> JsReader::integers(const char* name) const {
  const Napi::Array values = array(name);
  std::vector<int32_t> result(values.Length());
  for (uint32_t i = 0; i < result.size(); ++i) {
    const Napi::Value value = values.Get(i);
    const double element = value.IsNumber() ? value.As<Napi::Number>().DoubleValue() : NAN;
    if (!is_whole(element, INT32_MIN, INT32_MAX)) refuse(element_name(name, i), "a 32-bit whole number");
    result[i] = static_cast<int32_t>(element);
  }
  return result;
}

std::vector<uint64_t> JsReader::bigs(const char* name) const {
  const Napi::Array values = array(name);
  std::vector<uint64_t> result(values.Length());
  for (uint32_t i = 0; i < result.size(); ++i) {
    if (!to_u64(values.Get(i), &result[i])) refuse(element_name(name, i), "a bigint from 0 to 2^64 - 1");
  }
  return result;
}

JsReader JsReader::object(const char* name) const { return JsReader(raw(name), path_ + "." + name); }

std::optional<JsReader> JsReader::object_or_null(const char* name) const {
  const Napi::Value value = raw(name);
  if (value.IsNull()) return std::nullopt;
  return JsReader(value, path_ + "." + name);
}

std::vector<JsReader> JsReader::objects(const char* name) const {
  const Napi::Array values = array(name);
  std::vector<JsReader> result;
  result.reserve(values.Length());
  for (uint32_t i = 0; i < values.Length(); ++i) result.emplace_back(values.Get(i), path_ + "." + element_name(name, i));
  return result;
}

void JsReader::hex(const char* name, uint8_t* bytes, size_t count) const {
  const std::string digits = text(name);
  bool ok = digits.size() == 2 * count;
  for (size_t i = 0; ok && i < count; ++i) {
    const int high = hex_digit(digits[2 * i]);
    const int low = hex_digit(digits[2 * i + 1]);
    ok = high >= 0 && low >= 0;
    bytes[i] = static_cast<uint8_t>((high << 4) | low);
  }
  if (!ok) refuse(name, std::to_string(2 * count) + " hex digits");
}

}  // namespace switchyard::addon
