#include "executor/model/pack_model.h"

#include "executor/blocks/expert_bank.h"
#include "executor/model/model.h"

namespace switchyard::executor {

Status pack_model(const ModelSpec& spec, const WeightPlan& weights, const std::string& path, const std::string& key,
                  PackProgress* progress) {
  SWITCHYARD_RETURN_IF_ERROR(check_model_spec(spec));
  WeightStore store;
  SWITCHYARD_RETURN_IF_ERROR(store.open(weights, spec.policy));
  ArenaWriter writer;
  SWITCHYARD_RETURN_IF_ERROR(writer.open(path));
  store.pack_into(&writer, progress);
  std::shared_ptr<const Model> model;
  SWITCHYARD_RETURN_IF_ERROR(Model::load(spec, store, spec.num_mtp_layers > 0, &model));
  ExpertBank bank;
  const int num_layers = spec.num_layers + spec.num_mtp_layers;
  SWITCHYARD_RETURN_IF_ERROR(bank.load(spec, store, {0, num_layers}, [](int) { return true; }));
  return writer.finish(key);
}

}  // namespace switchyard::executor
