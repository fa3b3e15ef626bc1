// What all bindings share: errors with a code, checked reading of option objects, handle objects with a type tag.
// Throws Napi::Error; used on the JavaScript thread only, never in thread-safe callbacks (js_channel.h).
#pragma once

#include <napi.h>

#include <cmath>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "base/status.h"

namespace switchyard::addon {

/// The `code` property of errors: NativeErrorCode in libs/native/src/native.ts.
inline const char* code_name(Code code) {
  switch (code) {
    case Code::kOk:
      return "OK";
    case Code::kInvalidArgument:
      return "INVALID_ARGUMENT";
    case Code::kPeerDead:
      return "PEER_DEAD";
    case Code::kTimeout:
      return "TIMEOUT";
    case Code::kMismatch:
      return "MISMATCH";
    case Code::kStale:
      return "STALE";
    case Code::kCorrupt:
      return "CORRUPT";
    case Code::kClosed:
      return "CLOSED";
    case Code::kResourceExhausted:
      return "RESOURCE_EXHAUSTED";
    case Code::kIo:
      return "IO";
    case Code::kUnsupported:
      return "UNSUPPORTED";
    case Code::kInternal:
      return "INTERNAL";
  }
  return "INTERNAL";
}

inline Napi::Error make_error(Napi::Env env, Code code, const std::string& message) {
  Napi::Error error = Napi::Error::New(env, message);
  error.Value().Set("code", Napi::String::New(env, code_name(code)));
  return error;
}

inline void throw_if_error(Napi::Env env, const Status& status) {
  if (!status.ok()) throw make_error(env, status.code(), status.message());
}

/// A JavaScript object whose properties are read with checks; errors name the path ("options.exchange.topK: ...").
class Fields {
 public:
  Fields(Napi::Value value, std::string path) : path_(std::move(path)) {
    if (!value.IsObject()) fail(value.Env(), path_, "must be an object");
    object_ = value.As<Napi::Object>();
  }

  Napi::Env env() const { return object_.Env(); }
  std::string path_of(const char* name) const { return path_ + "." + name; }
  Napi::Value value(const char* name) const { return object_.Get(name); }
  bool is_null(const char* name) const { return value(name).IsNull(); }
  Fields object(const char* name) const { return Fields(value(name), path_of(name)); }

  /// An integer from 0 to `max` given as a number.
  uint64_t integer(const char* name, uint64_t max) const { return integer_of(value(name), path_of(name), max); }
  uint32_t u32(const char* name) const { return static_cast<uint32_t>(integer(name, UINT32_MAX)); }
  /// A byte count or offset given as a number: exact up to 2^53.
  uint64_t bytes(const char* name) const { return integer(name, 1ull << 53); }
  int32_t i32(const char* name) const {
    const double number = real(name);
    if (number != std::floor(number) || number < INT32_MIN || number > INT32_MAX)
      fail(env(), path_of(name), "must be a 32-bit integer");
    return static_cast<int32_t>(number);
  }
  uint64_t u64(const char* name) const { return u64_of(value(name), path_of(name)); }

  double real(const char* name) const {
    const Napi::Value got = value(name);
    if (!got.IsNumber()) fail(env(), path_of(name), "must be a number");
    return got.As<Napi::Number>().DoubleValue();
  }

  bool boolean(const char* name) const {
    const Napi::Value got = value(name);
    if (!got.IsBoolean()) fail(env(), path_of(name), "must be a boolean");
    return got.As<Napi::Boolean>().Value();
  }

  std::string string(const char* name) const {
    const Napi::Value got = value(name);
    if (!got.IsString()) fail(env(), path_of(name), "must be a string");
    return got.As<Napi::String>().Utf8Value();
  }

  Napi::Function function(const char* name) const {
    const Napi::Value got = value(name);
    if (!got.IsFunction()) fail(env(), path_of(name), "must be a function");
    return got.As<Napi::Function>();
  }

  std::vector<uint8_t> byte_array(const char* name) const {
    const Napi::Value got = value(name);
    if (!got.IsTypedArray() || got.As<Napi::TypedArray>().TypedArrayType() != napi_uint8_array)
      fail(env(), path_of(name), "must be a Uint8Array");
    const auto array = got.As<Napi::Uint8Array>();
    return {array.Data(), array.Data() + array.ElementLength()};
  }

  Napi::Array array(const char* name) const {
    const Napi::Value got = value(name);
    if (!got.IsArray()) fail(env(), path_of(name), "must be an array");
    return got.As<Napi::Array>();
  }

  static uint64_t integer_of(Napi::Value got, const std::string& path, uint64_t max) {
    const double number = got.IsNumber() ? got.As<Napi::Number>().DoubleValue() : -1;
    if (!(number >= 0) || number != std::floor(number) || number > static_cast<double>(max)) {
      fail(got.Env(), path, "must be an integer from 0 to " + std::to_string(max));
    }
    return static_cast<uint64_t>(number);
  }

  static uint64_t u64_of(Napi::Value got, const std::string& path) {
    bool is_lossless = false;
    const uint64_t number = got.IsBigInt() ? got.As<Napi::BigInt>().Uint64Value(&is_lossless) : 0;
    if (!is_lossless) fail(got.Env(), path, "must be a bigint from 0 to 2^64 - 1");
    return number;
  }

  [[noreturn]] static void fail(Napi::Env env, const std::string& path, const std::string& what) {
    throw make_error(env, Code::kInvalidArgument, path + ": " + what);
  }

 private:
  std::string path_;
  Napi::Object object_;
};

/// A plain object that carries a native one: methods are set on it by the binding, other bindings find the native one by tag.
/// The native object lives at least as long as the JavaScript one.
template <class T>
Napi::Object make_handle(Napi::Env env, const napi_type_tag& tag, std::shared_ptr<T> native) {
  Napi::Object object = Napi::Object::New(env);
  auto* kept = new std::shared_ptr<T>(std::move(native));
  const auto finalize = [](napi_env, void* data, void*) { delete static_cast<std::shared_ptr<T>*>(data); };
  if (napi_wrap(env, object, kept, finalize, nullptr, nullptr) != napi_ok) {
    delete kept;
    throw Napi::Error::New(env);
  }
  if (napi_type_tag_object(env, object, &tag) != napi_ok) throw Napi::Error::New(env);
  return object;
}

/// The native object of a handle; throws INVALID_ARGUMENT with the path when the value is something else.
template <class T>
std::shared_ptr<T> unwrap_handle(Napi::Value value, const napi_type_tag& tag, const std::string& path) {
  bool is_ours = false;
  if (value.IsObject()) napi_check_object_type_tag(value.Env(), value, &tag, &is_ours);
  void* data = nullptr;
  if (!is_ours || napi_unwrap(value.Env(), value, &data) != napi_ok)
    Fields::fail(value.Env(), path, "is not the expected native object");
  return *static_cast<std::shared_ptr<T>*>(data);
}

}  // namespace switchyard::addon
