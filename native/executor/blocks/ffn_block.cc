#include "executor/blocks/ffn_block.h"

#include <algorithm>
#include <cstring>

#include "base/math.h"
#include "base/quantize_row.h"
#include "executor/blocks/shared_work.h"
#include "executor/blocks/vector_ops.h"

namespace switchyard::executor {
namespace {

/// Of an expert's score in the choice, in multiply-adds: an exponential, and comparisons.
constexpr size_t kRouteWork = 64;

/// An expert's output, as it came, as numbers.
void read_output(const ModelSpec& s, const std::byte* output, float* y) {
  if (s.has_int8_expert_rows()) return widen_int8_row(output, s.hidden_size, y);
  std::memcpy(y, output, s.hidden_size * sizeof(float));
}

}  // namespace

Status FfnBlock::load(const ModelSpec& s, const WeightStore& store, const std::string& prefix, int layer) {
  layer_ = layer;
  is_moe_ = s.is_moe_layer(layer);
  const std::string mlp = prefix + ".mlp";
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + ".post_attention_layernorm.weight", s.hidden_size, &norm_));
  if (is_moe_) return load_moe(s, store, mlp);
  if (s.has_ffn_units(layer)) return {};
  return always_on_.load(store, mlp, s.hidden_size, s.intermediate_size, s.num_slices, s.has_ffn_bias);
}

Status FfnBlock::load_moe(const ModelSpec& s, const WeightStore& store, const std::string& mlp) {
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(mlp + ".gate.weight", s.num_experts, s.hidden_size, &gate_));
  if (s.has_router_bias) {
    SWITCHYARD_RETURN_IF_ERROR(store.load_vector(mlp + ".gate.e_score_correction_bias", s.num_experts, &gate_bias_));
  }
  if (s.num_shared_experts == 0) return {};
  if (s.has_shared_expert_gate) {
    SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(mlp + ".shared_expert_gate.weight", 1, s.hidden_size, &shared_gate_));
  }
  return always_on_.load(store, mlp + ".shared_experts", s.hidden_size, s.shared_intermediate_size, s.num_slices,
                         s.has_ffn_bias);
}

Status FfnBlock::forward(const ModelSpec& s, int n, ExpertBackend* experts, Workspace* ws) const {
  shared_rmsnorm(ws->pool, ws->residual.data(), norm_.data(), ws->normed.data(), n, s.hidden_size, s.rms_norm_eps);
  if (is_moe_) {
    SWITCHYARD_RETURN_IF_ERROR(forward_moe(s, n, experts, ws));
  } else if (always_on_.is_loaded()) {
    const ProductInput x = always_on_.prepare(ws->pool, ws->normed.data(), n);
    always_on_.forward(ws->pool, x, ws->block_out.data(), ws->gate_up.data(), ws->activated.data());
  } else {
    SWITCHYARD_RETURN_IF_ERROR(forward_unit(s, n, experts, ws));
  }
  add_to(ws->residual.data(), ws->block_out.data(), static_cast<size_t>(n) * s.hidden_size);
  return {};
}

/// ws->normed as rows that go to experts.
const std::byte* FfnBlock::prepare_rows(const ModelSpec& s, int n, Workspace* ws) const {
  if (!s.has_int8_expert_rows()) return reinterpret_cast<const std::byte*>(ws->normed.data());
  shared_quantize(ws->pool, ws->normed.data(), n, s.hidden_size, ws->expert_rows.data());
  return ws->expert_rows.data();
}

/// The FFN of a layer of a dense model: the one expert that all rows visit.
Status FfnBlock::forward_unit(const ModelSpec& s, int n, ExpertBackend* experts, Workspace* ws) const {
  std::fill_n(ws->expert_ids.begin(), n, layer_);
  const ExpertBatch batch{layer_, prepare_rows(s, n, ws), n, ws->expert_ids.data()};
  SWITCHYARD_RETURN_IF_ERROR(experts->begin(batch));
  SWITCHYARD_RETURN_IF_ERROR(experts->finish(batch, ws->expert_room.data(), ws->expert_outputs.data()));
  const size_t hidden = s.hidden_size;
  share_items(ws->pool, n, kNarrowWork * hidden, [&](int first, int end, int) {
    for (size_t i = first; i < static_cast<size_t>(end); ++i)
      read_output(s, ws->expert_outputs[i], &ws->block_out[i * hidden]);
  });
  return {};
}

/// The shared expert runs between begin and finish, so that it hides the way to remote experts.
Status FfnBlock::forward_moe(const ModelSpec& s, int n, ExpertBackend* experts, Workspace* ws) const {
  route_rows(s, n, ws);
  const ExpertBatch batch{layer_, prepare_rows(s, n, ws), n, ws->expert_ids.data()};
  SWITCHYARD_RETURN_IF_ERROR(experts->begin(batch));
  forward_shared(s, n, ws);
  SWITCHYARD_RETURN_IF_ERROR(experts->finish(batch, ws->expert_room.data(), ws->expert_outputs.data()));
  combine(s, n, ws);
  return {};
}

/// ws->block_out += the routed experts' outputs by their weights.
void FfnBlock::combine(const ModelSpec& s, int n, Workspace* ws) const {
  const size_t top_k = s.num_experts_per_token;
  const size_t hidden = s.hidden_size;
  share_items(ws->pool, n, top_k * hidden, [&](int first, int end, int) {
    kernels().combine({.outputs = &ws->expert_outputs[first * top_k],
                       .is_int8 = s.has_int8_expert_rows(),
                       .weights = &ws->expert_weights[first * top_k],
                       .y = &ws->block_out[first * hidden],
                       .num_rows = end - first,
                       .top_k = s.num_experts_per_token,
                       .size = s.hidden_size});
  });
}

/// What the shared expert reads: the rows of the routed ones where both are INT8.
ProductInput FfnBlock::shared_input(const ModelSpec& s, int n, Workspace* ws) const {
  if (!s.has_int8_expert_rows() || !always_on_.takes_int8()) return always_on_.prepare(ws->pool, ws->normed.data(), n);
  ws->shared_input.resize(s.hidden_size, n);
  for (int i = 0; i < n; ++i) ws->shared_input.set_row(i, &ws->expert_rows[i * s.expert_row_bytes()]);
  return {nullptr, 0, n, &ws->shared_input};
}

/// ws->block_out: the shared expert's output, or zero without one.
void FfnBlock::forward_shared(const ModelSpec& s, int n, Workspace* ws) const {
  if (!always_on_.is_loaded()) {
    std::fill_n(ws->block_out.begin(), static_cast<size_t>(n) * s.hidden_size, 0.0f);
    return;
  }
  const ProductInput x = shared_input(s, n, ws);
  always_on_.forward(ws->pool, x, ws->block_out.data(), ws->gate_up.data(), ws->activated.data());
  if (shared_gate_.empty()) return;
  shared_product(ws->pool, shared_gate_, ws->normed.data(), s.hidden_size, ws->shared_gate.data(), 1, n);
  for (int row = 0; row < n; ++row) {
    const float share = sigmoid32(ws->shared_gate[row]);
    float* y = &ws->block_out[static_cast<size_t>(row) * s.hidden_size];
    for (int k = 0; k < s.hidden_size; ++k) y[k] *= share;
  }
}

void FfnBlock::route_rows(const ModelSpec& s, int n, Workspace* ws) const {
  const RouterShape shape{.num_experts = s.num_experts,
                          .num_groups = s.num_expert_groups,
                          .num_top_groups = s.num_topk_groups,
                          .top_k = s.num_experts_per_token,
                          .scale = s.routed_scaling_factor,
                          .normalize = s.norm_topk_prob,
                          .score = s.router,
                          .group_score = s.group_score};
  const float* bias = gate_bias_.empty() ? nullptr : gate_bias_.data();
  shared_product(ws->pool, gate_, ws->normed.data(), s.hidden_size, ws->gate_logits.data(), s.num_experts, n);
  share_items(ws->pool, n, kRouteWork * s.num_experts, [&](int first, int end, int worker) {
    for (size_t row = first; row < static_cast<size_t>(end); ++row) {
      const size_t choice = row * s.num_experts_per_token;
      kernels().router({.shape = shape,
                        .logits = &ws->gate_logits[row * s.num_experts],
                        .bias = bias,
                        .expert_ids = &ws->expert_ids[choice],
                        .weights = &ws->expert_weights[choice],
                        .scratch = ws->scratch_of(worker)});
    }
  });
}

}  // namespace switchyard::executor
