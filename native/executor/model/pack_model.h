// Packs a model into an arena. Called once a model and machine, before its processes load it (libs/flowserve/src/weights).
#pragma once

#include <string>

#include "executor/model_spec.h"
#include "executor/weights/weight_store.h"

namespace switchyard::executor {

/// Writes every weight of the model, MTP layer and routed experts included, to an arena at `path`, which appears when it is whole.
/// Memory: what one tensor takes, beside pages of the files that the system may drop. The caller holds the path's lock.
Status pack_model(const ModelSpec& spec, const WeightPlan& weights, const std::string& path, const std::string& key,
                  PackProgress* progress);

}  // namespace switchyard::executor
