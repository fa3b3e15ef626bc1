// Reads plain JavaScript objects field by field; what is missing or has the wrong type or range is an INVALID_ARGUMENT that names its path
// ("plan.add[2].numComputed"). Called by the bindings, on the JavaScript thread only.
#pragma once

#include <napi.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace switchyard::addon {

class JsReader {
 public:
  /// value must be an object; `path` is how errors call it.
  JsReader(Napi::Value value, std::string path);

  int32_t integer(const char* name, int32_t least, int32_t most = INT32_MAX) const;
  double number(const char* name) const;
  bool boolean(const char* name) const;
  std::string text(const char* name) const;
  /// A bigint from 0 to 2^64 - 1.
  uint64_t big(const char* name) const;
  /// A whole number from 0 to 2^53.
  uint64_t size(const char* name) const;
  Napi::Function function(const char* name) const;
  std::vector<int32_t> integers(const char* name) const;
  std::vector<uint64_t> bigs(const char* name) const;
  JsReader object(const char* name) const;
  std::optional<JsReader> object_or_null(const char* name) const;
  std::vector<JsReader> objects(const char* name) const;
  /// Bytes written as hex digits, exactly `count`.
  void hex(const char* name, uint8_t* bytes, size_t count) const;
  /// The field as it is; for handles.
  Napi::Value raw(const char* name) const;

  [[noreturn]] void refuse(const std::string& name, const std::string& wanted) const;

 private:
  Napi::Array array(const char* name) const;

  Napi::Object object_;
  std::string path_;
};

}  // namespace switchyard::addon
