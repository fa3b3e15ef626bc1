// Builds plain JavaScript values with raw, checked napi calls: what runs inside a thread-safe callback may not use the throwing wrappers
// (an environment that is going away would abort the process). A failed call leaves a null value, which callers pass on or drop.
#pragma once

#include <node_api.h>

#include <cstdint>
#include <string>
#include <vector>

namespace switchyard::addon {

class JsWriter {
 public:
  explicit JsWriter(napi_env env) : env_(env) {}

  napi_value number(double value) const;
  napi_value big(uint64_t value) const;
  napi_value signed_big(int64_t value) const;
  napi_value text(const std::string& value) const;
  napi_value null() const;

  napi_value object() const;
  void set(napi_value object, const char* name, napi_value value) const;

  /// to_js(element) makes each element's value.
  template <typename Values, typename ToJs>
  napi_value array(const Values& values, ToJs to_js) const {
    napi_value result = nullptr;
    if (napi_create_array_with_length(env_, values.size(), &result) != napi_ok) return nullptr;
    for (uint32_t i = 0; i < values.size(); ++i) {
      napi_value element = to_js(values[i]);
      if (element) napi_set_element(env_, result, i, element);
    }
    return result;
  }

 private:
  napi_env env_;
};

}  // namespace switchyard::addon
