#include "executor/blocks/biased_matrix.h"

#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {

Status BiasedMatrix::load(const WeightStore& store, const std::string& prefix, int num_rows, int num_columns,
                          bool has_bias) {
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(prefix + ".weight", num_rows, num_columns, &weight));
  return has_bias ? store.load_vector(prefix + ".bias", num_rows, &bias) : Status();
}

void BiasedMatrix::apply(ThreadPool* pool, const float* x, float* y, size_t y_stride, int num_tokens) const {
  shared_product(pool, weight, x, weight.num_columns(), y, y_stride, num_tokens);
  add_bias(bias, y, y_stride, num_tokens);
}

}  // namespace switchyard::executor
