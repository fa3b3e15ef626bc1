#include "executor/blocks/gated_ffn.h"

#include "kernels/registry.h"

namespace switchyard::executor {

Status GatedFfn::load(const WeightStore& store, const std::string& prefix, int hidden_size, int intermediate_size,
                      int num_slices) {
  num_slices_ = num_slices;
  SWITCHYARD_RETURN_IF_ERROR(store.load_stacked(prefix + ".gate_proj.weight", prefix + ".up_proj.weight",
                                                intermediate_size, hidden_size, &gate_up_));
  return store.load_matrix(prefix + ".down_proj.weight", hidden_size, intermediate_size, &down_);
}

void GatedFfn::forward(const float* x, float* y, int num_rows, float* gate_up, float* activated) const {
  const int hidden = down_.num_rows();
  const int intermediate = down_.num_columns();
  product(gate_up_, x, hidden, gate_up, 2 * static_cast<size_t>(intermediate), num_rows);
  kernels().silu_mul({gate_up, activated, num_rows, intermediate});
  product(down_, activated, intermediate, y, hidden, num_rows, num_slices_);
}

}  // namespace switchyard::executor
