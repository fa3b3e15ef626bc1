#include "executor/blocks/gated_ffn.h"

#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {

Status GatedFfn::load(const WeightStore& store, const std::string& prefix, int hidden_size, int intermediate_size,
                      int num_slices, bool has_bias) {
  num_slices_ = num_slices;
  SWITCHYARD_RETURN_IF_ERROR(store.load_stacked(prefix + ".gate_proj.weight", prefix + ".up_proj.weight",
                                                intermediate_size, hidden_size, &gate_up_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(prefix + ".down_proj.weight", hidden_size, intermediate_size, &down_));
  if (!has_bias) return {};
  std::vector<float> up_bias;
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + ".gate_proj.bias", intermediate_size, &gate_up_bias_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + ".up_proj.bias", intermediate_size, &up_bias));
  gate_up_bias_.insert(gate_up_bias_.end(), up_bias.begin(), up_bias.end());
  return store.load_vector(prefix + ".down_proj.bias", hidden_size, &down_bias_);
}

ProductInput GatedFfn::prepare(const float* x, int num_rows) const {
  return prepare_input(gate_up_, x, gate_up_.num_columns(), num_rows);
}

void GatedFfn::forward(ThreadPool* pool, const ProductInput& x, float* y, float* gate_up, float* activated) const {
  const int num_rows = x.num_tokens;
  const int hidden = down_.num_rows();
  const int intermediate = down_.num_columns();
  shared_product(pool, gate_up_, x, gate_up, 2 * static_cast<size_t>(intermediate));
  add_bias(gate_up_bias_, gate_up, 2 * static_cast<size_t>(intermediate), num_rows);
  shared_silu_mul(pool, gate_up, activated, num_rows, intermediate);
  shared_product(pool, down_, activated, intermediate, y, hidden, num_rows, num_slices_);
  add_bias(down_bias_, y, hidden, num_rows);
}

}  // namespace switchyard::executor
