#include "executor/blocks/attention_block.h"

#include <cmath>
#include <cstring>

#include "executor/blocks/vector_ops.h"
#include "kernels/registry.h"

namespace switchyard::executor {

Status AttentionBlock::load(const ModelSpec& s, const WeightStore& store, const std::string& prefix) {
  const std::string attn = prefix + ".self_attn.";
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(prefix + ".input_layernorm.weight", s.hidden_size, &input_norm_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "q_a_layernorm.weight", s.q_lora_rank, &q_a_norm_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "kv_a_layernorm.weight", s.kv_lora_rank, &kv_a_norm_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(attn + "q_a_proj.weight", s.q_lora_rank, s.hidden_size, &q_a_));
  SWITCHYARD_RETURN_IF_ERROR(
      store.load_matrix(attn + "q_b_proj.weight", s.num_heads * s.head_dim(), s.q_lora_rank, &q_b_));
  SWITCHYARD_RETURN_IF_ERROR(
      store.load_matrix(attn + "kv_a_proj_with_mqa.weight", s.cache_width(), s.hidden_size, &kv_a_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_matrix(attn + "o_proj.weight", s.hidden_size, s.num_heads * s.v_head_dim, &o_));
  scale_ = static_cast<float>(1.0 / std::sqrt(static_cast<double>(s.head_dim())));
  return load_absorbed(s, store, attn + "kv_b_proj.weight");
}

/// Splits kv_b_proj [heads * (nope + v), kv_lora_rank] into the two matrices of each head.
Status AttentionBlock::load_absorbed(const ModelSpec& s, const WeightStore& store, const std::string& name) {
  const int head_rows = s.qk_nope_head_dim + s.v_head_dim;
  TensorView view;
  SWITCHYARD_RETURN_IF_ERROR(store.find(name, {s.num_heads * head_rows, s.kv_lora_rank}, &view));
  const bool is_bf16 = view.dtype == Dtype::kBf16;
  const size_t row_bytes = s.kv_lora_rank * dtype_bytes(view.dtype);
  for (int h = 0; h < s.num_heads; ++h) {
    const auto* key_rows = static_cast<const std::byte*>(view.data) + static_cast<size_t>(h) * head_rows * row_bytes;
    const auto* value_rows = key_rows + s.qk_nope_head_dim * row_bytes;
    key_up_.emplace_back(s.kv_lora_rank, s.qk_nope_head_dim, is_bf16);
    key_up_.back().set_rows(0, s.kv_lora_rank, key_rows, view.dtype, 1, s.kv_lora_rank);
    value_up_.emplace_back(s.v_head_dim, s.kv_lora_rank, is_bf16);
    value_up_.back().set_rows(0, s.v_head_dim, value_rows, view.dtype, s.kv_lora_rank, 1);
  }
  return {};
}

void AttentionBlock::forward(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                             const RopeTable& rope, Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  project(s, rows, rope, ws);
  for (int i = 0; i < n; ++i) {
    const int position = rows[i].position;
    float* entry = kv.row(rows[i].block_table[position / kv.block_tokens], position % kv.block_tokens);
    std::memcpy(entry, &ws->latent[static_cast<size_t>(i) * s.cache_width()], s.cache_width() * sizeof(float));
  }
  absorb_queries(s, n, ws);
  attend(s, rows, kv, ws);
  const size_t context_stride = static_cast<size_t>(s.num_heads) * s.kv_lora_rank;
  const size_t value_stride = static_cast<size_t>(s.num_heads) * s.v_head_dim;
  for (int h = 0; h < s.num_heads; ++h) {
    product(value_up_[h], &ws->context[h * s.kv_lora_rank], context_stride, &ws->value[h * s.v_head_dim], value_stride,
            n);
  }
  product(o_, ws->value.data(), value_stride, ws->block_out.data(), s.hidden_size, n, s.num_slices);
  add_to(ws->residual.data(), ws->block_out.data(), static_cast<size_t>(n) * s.hidden_size);
}

/// ws->q with rotated parts, and ws->latent as it goes into the cache.
void AttentionBlock::project(const ModelSpec& s, std::span<const BatchRow> rows, const RopeTable& rope,
                             Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  const size_t q_stride = static_cast<size_t>(s.num_heads) * s.head_dim();
  const size_t latent_stride = s.cache_width();
  rmsnorm_rows(ws->residual.data(), input_norm_.data(), ws->normed.data(), n, s.hidden_size, s.rms_norm_eps);
  product(q_a_, ws->normed.data(), s.hidden_size, ws->q_latent.data(), s.q_lora_rank, n);
  rmsnorm_rows(ws->q_latent.data(), q_a_norm_.data(), ws->q_latent.data(), n, s.q_lora_rank, s.rms_norm_eps);
  product(q_b_, ws->q_latent.data(), s.q_lora_rank, ws->q.data(), q_stride, n);
  product(kv_a_, ws->normed.data(), s.hidden_size, ws->latent.data(), latent_stride, n);
  kernels().rmsnorm({ws->latent.data(), latent_stride, kv_a_norm_.data(), ws->latent.data(), latent_stride, n,
                     s.kv_lora_rank, s.rms_norm_eps});
  for (int i = 0; i < n; ++i) {
    rope.rotate(rows[i].position, &ws->latent[i * latent_stride + s.kv_lora_rank], 1, 0);
    rope.rotate(rows[i].position, &ws->q[i * q_stride + s.qk_nope_head_dim], s.num_heads, s.head_dim());
  }
}

void AttentionBlock::absorb_queries(const ModelSpec& s, int n, Workspace* ws) const {
  const size_t q_stride = static_cast<size_t>(s.num_heads) * s.head_dim();
  const size_t absorbed_stride = static_cast<size_t>(s.num_heads) * s.cache_width();
  for (int h = 0; h < s.num_heads; ++h) {
    const float* q = &ws->q[h * s.head_dim()];
    float* absorbed = &ws->q_absorbed[h * s.cache_width()];
    product(key_up_[h], q, q_stride, absorbed, absorbed_stride, n);
    for (int i = 0; i < n; ++i) {
      std::memcpy(absorbed + i * absorbed_stride + s.kv_lora_rank, q + i * q_stride + s.qk_nope_head_dim,
                  s.qk_rope_head_dim * sizeof(float));
    }
  }
}

void AttentionBlock::attend(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                            Workspace* ws) const {
  for (size_t i = 0; i < rows.size(); ++i) {
    kernels().mla_attention({.q = &ws->q_absorbed[i * s.num_heads * s.cache_width()],
                             .cache = kv.base,
                             .block_stride = kv.block_stride,
                             .block_table = rows[i].block_table,
                             .block_tokens = kv.block_tokens,
                             .num_keys = rows[i].position + 1,
                             .num_heads = s.num_heads,
                             .latent = s.kv_lora_rank,
                             .rope = s.qk_rope_head_dim,
                             .scale = scale_,
                             .out = &ws->context[i * s.num_heads * s.kv_lora_rank],
                             .scratch = ws->scratch.data()});
  }
}

}  // namespace switchyard::executor
