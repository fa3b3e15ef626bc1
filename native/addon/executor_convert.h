// Conversion between the plain data of libs/native/src/native.ts and the executor's structs. Mechanical: one function a type.
#pragma once

#include <node_api.h>

#include "addon/js_reader.h"
#include "executor/loop/plan.h"
#include "executor/model_spec.h"

namespace switchyard::addon {

executor::ModelSpec read_model_spec(const JsReader& js);
executor::WeightPlan read_weight_plan(const JsReader& js);
executor::Plan read_plan(const JsReader& js);
/// Throws INVALID_ARGUMENT for a policy that docs/numerics.md does not have.
void check_policy(Napi::Env env, const std::string& policy);

/// StepEvent[]; raw calls only.
napi_value write_step_events(napi_env env, const std::vector<executor::StepEvent>& events);

}  // namespace switchyard::addon
