// Conversion between the plain data of libs/native/src/native.ts and the executor's structs. Mechanical: one function a type.
#pragma once

#include <node_api.h>

#include "addon/field_lists.h"
#include "executor/loop/plan.h"
#include "executor/model_spec.h"
#include "executor/remote/placement.h"
#include "executor/remote/span_log.h"

namespace switchyard::addon {

executor::ModelSpec read_model_spec(const Fields& js);
executor::WeightTensor read_weight_tensor(const Fields& js);
executor::WeightPlan read_weight_plan(const Fields& js);
/// Its field `dtype`.
executor::StoredType read_stored_type(const Fields& js);
executor::Plan read_plan(const Fields& js);
executor::ExpertPlacement read_placement(const Fields& js);
/// Throws INVALID_ARGUMENT for a policy that docs/numerics.md does not have.
executor::WeightPolicy parse_policy(Napi::Env env, const std::string& policy);
/// The same for a kernel class.
executor::KernelClass parse_kernel_class(Napi::Env env, const std::string& kernel_class);

/// StepEvent[]; raw calls only.
napi_value write_step_events(napi_env env, const std::vector<executor::StepEvent>& events);
/// ExpertSpan[]; raw calls only.
napi_value write_expert_spans(napi_env env, const std::vector<executor::ExpertSpan>& spans);
/// callback(array), for a JsChannel.
napi_status call_with_array(napi_env env, napi_value callback, napi_value array);

}  // namespace switchyard::addon
