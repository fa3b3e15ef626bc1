#include "executor/blocks/mla_attention.h"

#include <array>
#include <cstring>

#include "executor/blocks/paged_heads.h"
#include "executor/blocks/shared_work.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Of a number of a query or key that is turned or normalised, in multiply-adds.
constexpr size_t kTurnWork = 8;

/// body(head) for all heads: a product of kv_lora_rank by `width` each, for n rows.
template <class Body>
void share_heads(const ModelSpec& s, int width, int n, Workspace* ws, const Body& body) {
  const size_t head_work = static_cast<size_t>(s.kv_lora_rank) * width * n;
  ws->pool->run_ranges(s.num_heads, items_a_piece(head_work), [&](int first, int end, int) {
    for (int h = first; h < end; ++h) body(h);
  });
}

}  // namespace

Status MlaAttention::load_inputs(const ModelSpec& s, const WeightStore& store, const std::string& attn, int) {
  SWITCHYARD_RETURN_IF_ERROR(load_query(s, store, attn));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "kv_a_layernorm.weight", s.kv_lora_rank, &kv_a_norm_));
  SWITCHYARD_RETURN_IF_ERROR(
      kv_a_.load(store, attn + "kv_a_proj_with_mqa", s.cache_width(), s.hidden_size, s.has_qkv_bias));
  return s.has_split_kv_b ? load_split_kv_b(s, store, attn) : load_joined_kv_b(s, store, attn + "kv_b_proj.weight");
}

Status MlaAttention::load_query(const ModelSpec& s, const WeightStore& store, const std::string& attn) {
  const int query_dim = s.num_heads * s.head_dim;
  if (s.q_lora_rank == 0) return q_b_.load(store, attn + "q_proj", query_dim, s.hidden_size, false);
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "q_a_layernorm.weight", s.q_lora_rank, &q_a_norm_));
  SWITCHYARD_RETURN_IF_ERROR(q_a_.load(store, attn + "q_a_proj", s.q_lora_rank, s.hidden_size, s.has_qkv_bias));
  return q_b_.load(store, attn + "q_b_proj", query_dim, s.q_lora_rank, false);
}

/// The two matrices of each head, from kv_b_proj [heads * (nope + v), kv_lora_rank].
Status MlaAttention::load_joined_kv_b(const ModelSpec& s, const WeightStore& store, const std::string& name) {
  const int nope = s.qk_nope_head_dim;
  HeadRows rows = {.tensor = name,
                   .shape = {s.num_heads * (nope + s.v_head_dim), s.kv_lora_rank},
                   .num_heads = s.num_heads,
                   .head_rows = nope + s.v_head_dim,
                   .first_row = 0,
                   .num_rows = nope,
                   .is_transposed = true};
  SWITCHYARD_RETURN_IF_ERROR(store.load_heads(rows, &key_up_));
  rows.first_row = nope;
  rows.num_rows = s.v_head_dim;
  rows.is_transposed = false;
  return store.load_heads(rows, &value_up_);
}

/// k_b_proj [heads, kv_lora_rank, nope] and v_b_proj [heads, v, kv_lora_rank].
Status MlaAttention::load_split_kv_b(const ModelSpec& s, const WeightStore& store, const std::string& attn) {
  const auto load_whole_heads = [&](const char* part, int num_rows, int num_columns, std::vector<PackedMatrix>* heads) {
    return store.load_heads({.tensor = attn + part,
                             .shape = {s.num_heads, num_rows, num_columns},
                             .num_heads = s.num_heads,
                             .head_rows = num_rows,
                             .first_row = 0,
                             .num_rows = num_rows,
                             .is_transposed = false},
                            heads);
  };
  SWITCHYARD_RETURN_IF_ERROR(load_whole_heads("k_b_proj.weight", s.kv_lora_rank, s.qk_nope_head_dim, &key_up_));
  return load_whole_heads("v_b_proj.weight", s.v_head_dim, s.kv_lora_rank, &value_up_);
}

void MlaAttention::project(const ModelSpec& s, std::span<const BatchRow> rows, const RopeTable& rope,
                           Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  const size_t q_stride = static_cast<size_t>(s.num_heads) * s.head_dim;
  const size_t row_stride = s.cache_width();
  const Projection query{&q_b_, ws->q.data(), q_stride};
  const Projection cache{&kv_a_, ws->cache_rows.data(), row_stride};
  if (s.q_lora_rank == 0) {
    project_all(ws->pool, std::array{query, cache}, ws->normed.data(), n);
  } else {
    const Projection latent{&q_a_, ws->q_latent.data(), static_cast<size_t>(s.q_lora_rank)};
    project_all(ws->pool, std::array{latent, cache}, ws->normed.data(), n);
    shared_rmsnorm(ws->pool, ws->q_latent.data(), q_a_norm_.data(), ws->q_latent.data(), n, s.q_lora_rank,
                   s.latent_norm_eps);
    project_all(ws->pool, {&query, 1}, ws->q_latent.data(), n);
  }
  const size_t row_work = kTurnWork * ((s.num_heads + 1) * s.qk_rope_head_dim + s.kv_lora_rank);
  ws->pool->run_ranges(n, items_a_piece(row_work), [&](int first, int end, int) {
    float* latents = &ws->cache_rows[first * row_stride];
    kernels().rmsnorm(
        {latents, row_stride, kv_a_norm_.data(), latents, row_stride, end - first, s.kv_lora_rank, s.latent_norm_eps});
    for (int i = first; i < end; ++i) {
      rope.rotate(rows[i].position, &ws->cache_rows[i * row_stride + s.kv_lora_rank], 1, 0);
      rope.rotate(rows[i].position, &ws->q[i * q_stride + s.qk_nope_head_dim], s.num_heads, s.head_dim);
    }
  });
}

void MlaAttention::absorb_queries(const ModelSpec& s, int n, Workspace* ws) const {
  const size_t q_stride = static_cast<size_t>(s.num_heads) * s.head_dim;
  const size_t absorbed_stride = static_cast<size_t>(s.num_heads) * s.cache_width();
  share_heads(s, s.qk_nope_head_dim, n, ws, [&](int h) {
    const float* q = &ws->q[h * s.head_dim];
    float* absorbed = &ws->q_absorbed[h * s.cache_width()];
    product(key_up_[h], q, q_stride, absorbed, absorbed_stride, n);
    for (int i = 0; i < n; ++i) {
      std::memcpy(absorbed + i * absorbed_stride + s.kv_lora_rank, q + i * q_stride + s.qk_nope_head_dim,
                  s.qk_rope_head_dim * sizeof(float));
    }
  });
}

void MlaAttention::attend(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                          Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  absorb_queries(s, n, ws);
  attend_paged(
      {.q = ws->q_absorbed.data(), .out = ws->context.data(), .group_heads = s.num_heads, .window = 0, .scale = scale_},
      layout_, rows, kv, ws);
  const size_t context_stride = static_cast<size_t>(s.num_heads) * s.kv_lora_rank;
  const size_t value_stride = static_cast<size_t>(s.num_heads) * s.v_head_dim;
  share_heads(s, s.v_head_dim, n, ws, [&](int h) {
    product(value_up_[h], &ws->context[h * s.kv_lora_rank], context_stride, &ws->value[h * s.v_head_dim], value_stride,
            n);
  });
}

}  // namespace switchyard::executor
