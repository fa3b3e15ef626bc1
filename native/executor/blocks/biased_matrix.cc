#include "executor/blocks/biased_matrix.h"

#include <array>

#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {

Status BiasedMatrix::load(const WeightStore& store, const std::string& prefix, int num_rows, int num_columns,
                          bool has_bias) {
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(prefix + ".weight", num_rows, num_columns, &weight));
  return has_bias ? store.load_vector(prefix + ".bias", num_rows, &bias) : Status();
}

void project_all(ThreadPool* pool, std::span<const Projection> projections, const float* x, int num_tokens) {
  static thread_local std::array<InputStorage, kProjectionsMax> inputs;
  std::array<SharedProduct, kProjectionsMax> products;
  for (size_t i = 0; i < projections.size(); ++i) {
    const auto& [layer, y, y_stride] = projections[i];
    const PackedMatrix& w = layer->weight;
    const bool is_first = i == 0 || !have_same_input(w, projections[i - 1].layer->weight);
    products[i] = {&w,
                   is_first ? shared_input(pool, w, x, w.num_columns(), num_tokens, &inputs[i]) : products[i - 1].input,
                   y, y_stride};
  }
  shared_products(pool, std::span(products).first(projections.size()));
  for (const auto& [layer, y, y_stride] : projections) add_bias(layer->bias, y, y_stride, num_tokens);
}

}  // namespace switchyard::executor
