#include "addon/js_writer.h"

namespace switchyard::addon {

napi_value JsWriter::number(double value) const {
  napi_value result = nullptr;
  return napi_create_double(env_, value, &result) == napi_ok ? result : nullptr;
}

napi_value JsWriter::big(uint64_t value) const {
  napi_value result = nullptr;
  return napi_create_bigint_uint64(env_, value, &result) == napi_ok ? result : nullptr;
}

napi_value JsWriter::signed_big(int64_t value) const {
  napi_value result = nullptr;
  return napi_create_bigint_int64(env_, value, &result) == napi_ok ? result : nullptr;
}

napi_value JsWriter::text(const std::string& value) const {
  napi_value result = nullptr;
  return napi_create_string_utf8(env_, value.data(), value.size(), &result) == napi_ok ? result : nullptr;
}

napi_value JsWriter::null() const {
  napi_value result = nullptr;
  return napi_get_null(env_, &result) == napi_ok ? result : nullptr;
}

napi_value JsWriter::object() const {
  napi_value result = nullptr;
  return napi_create_object(env_, &result) == napi_ok ? result : nullptr;
}

void JsWriter::set(napi_value object, const char* name, napi_value value) const {
  if (object && value) napi_set_named_property(env_, object, name, value);
}

}  // namespace switchyard::addon
