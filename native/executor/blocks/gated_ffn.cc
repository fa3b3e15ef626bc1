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

ProductInput GatedFfn::prepare(ThreadPool* pool, const float* x, int num_rows) const {
  return shared_input(pool, gate_up_, x, gate_up_.num_columns(), num_rows);
}

ProductInput GatedFfn::reserve(const float* x, int num_rows, InputStorage* storage) const {
  return reserve_input(gate_up_, x, gate_up_.num_columns(), num_rows, storage);
}

void GatedFfn::fill_row(const float* x, int row, const ProductInput& input, InputStorage* storage) const {
  // A stride of 0 makes it x of every row, of which one is filled.
  fill_input(gate_up_, {x, 0, input.num_tokens}, row, row + 1, storage);
}

void GatedFfn::forward(ThreadPool* pool, const ProductInput& x, float* y, float* gate_up, float* activated) const {
  const FfnRows rows{this, x};
  forward_all(pool, {&rows, 1}, y, gate_up, activated);
}

void GatedFfn::forward_all(ThreadPool* pool, std::span<const FfnRows> ffns, float* y, float* gate_up,
                           float* activated) {
  static thread_local std::vector<SharedProduct> products;
  static thread_local std::vector<InputStorage> inputs;
  const size_t hidden = ffns.front().ffn->down_.num_rows();
  const size_t intermediate = ffns.front().ffn->down_.num_columns();
  products.clear();
  size_t num_rows = 0;
  for (const auto& [ffn, x] : ffns) {
    products.push_back({&ffn->gate_up_, x, gate_up + num_rows * 2 * intermediate, 2 * intermediate, 1});
    num_rows += x.num_tokens;
  }
  shared_products(pool, products);
  add_biases(ffns, &GatedFfn::gate_up_bias_, gate_up, static_cast<int>(2 * intermediate));
  if (inputs.size() < ffns.size()) inputs.resize(ffns.size());
  size_t row = 0;
  for (size_t i = 0; i < ffns.size(); ++i) {
    const auto& [ffn, x] = ffns[i];
    const ProductInput input{activated + row * intermediate, intermediate, x.num_tokens};
    products[i] = {&ffn->down_, input, y + row * hidden, hidden, ffn->num_slices_};
    row += x.num_tokens;
  }
  shared_activations(pool, gate_up, activated, products, inputs.data());
  shared_products(pool, products);
  add_biases(ffns, &GatedFfn::down_bias_, y, static_cast<int>(hidden));
}

void GatedFfn::add_biases(std::span<const FfnRows> ffns, const std::vector<float> GatedFfn::*bias, float* y, int size) {
  for (const auto& [ffn, x] : ffns) {
    add_bias(ffn->*bias, y, size, x.num_tokens);
    y += static_cast<size_t>(x.num_tokens) * size;
  }
}

}  // namespace switchyard::executor
