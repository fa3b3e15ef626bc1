// See quantize_binding.h. Both calls map the tensor's file, read the rows that were asked for and let go of it: the caller goes through
// a matrix in pieces, and no more than one of them is in memory.
#include "addon/quantize_binding.h"

#include "addon/executor_convert.h"
#include "addon/napi_util.h"
#include "executor/weights/narrow_rows.h"

namespace switchyard::addon {
namespace {

using namespace executor;

/// Rows of a matrix whose file is mapped.
struct MappedRows {
  WeightFiles files;
  const StoredTensor* matrix = nullptr;
  int64_t first = 0;
  int64_t count = 0;

  int64_t num_elements() const { return count * matrix->shape[1]; }
};

void map_rows(const Fields& options, MappedRows* rows) {
  const WeightTensor tensor = read_weight_tensor(options.object("tensor"));
  if (tensor.shape.size() != 2) refuse(options, "tensor", "must be a matrix");
  throw_if_error(options.env(), rows->files.open({"", {tensor}}));
  throw_if_error(options.env(), rows->files.find(tensor.name, tensor.shape, &rows->matrix));
  const auto num_rows = static_cast<int32_t>(tensor.shape[0]);
  rows->first = int_field(options, "firstRow", 0, num_rows - 1);
  rows->count = int_field(options, "numRows", 1, num_rows - static_cast<int32_t>(rows->first));
}

Napi::Value quantize(const Napi::CallbackInfo& info) {
  const Napi::Env env = info.Env();
  const Fields options(info[0], "options");
  const auto scale_type =
      choice_field<ScaleType>(options, "scaleDtype", {{"BF16", ScaleType::kBf16}, {"F32", ScaleType::kF32}});
  MappedRows rows;
  map_rows(options, &rows);
  auto values = Napi::Int8Array::New(env, rows.num_elements());
  auto scales = Napi::Float32Array::New(env, rows.count);
  const Status status = quantize_rows(*rows.matrix, rows.first, rows.count, scale_type, values.Data(), scales.Data());
  if (!status.ok())
    throw make_error(env, status.code(), options.object("tensor").string("name") + " " + status.message());
  Napi::Object result = Napi::Object::New(env);
  result.Set("values", values);
  result.Set("scales", scales);
  return result;
}

Napi::Value round_to_bf16(const Napi::CallbackInfo& info) {
  MappedRows rows;
  map_rows(Fields(info[0], "options"), &rows);
  auto result = Napi::Uint16Array::New(info.Env(), rows.num_elements());
  round_rows(*rows.matrix, rows.first, rows.count, result.Data());
  return result;
}

}  // namespace

void init_quantize(Napi::Env env, Napi::Object exports) {
  exports.Set("quantizeRows", Napi::Function::New(env, quantize, "quantizeRows"));
  exports.Set("roundRows", Napi::Function::New(env, round_to_bf16, "roundRows"));
}

}  // namespace switchyard::addon
