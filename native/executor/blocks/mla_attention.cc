#include "executor/blocks/mla_attention.h"

#include <algorithm>
#include <array>

#include "executor/blocks/paged_heads.h"
#include "executor/blocks/shared_work.h"
#include "kernels/registry.h"

namespace switchyard::executor {
namespace {

/// Of a number of a query or key that is turned or normalised, in multiply-adds.
constexpr size_t kTurnWork = 8;

/// Parts that belong to heads, in rows: that of head h in row i is at first + h * head_stride + i * row_stride.
template <class T>
struct HeadParts {
  T* first;
  size_t head_stride;
  size_t row_stride;
};

/// ws->head_products: matrix h by the part of head h, for n rows; with room for their inputs.
void set_head_products(const std::vector<PackedMatrix>& matrices, const HeadParts<const float>& x,
                       const HeadParts<float>& y, int n, Workspace* ws) {
  for (size_t h = 0; h < matrices.size(); ++h) {
    ws->head_products[h] = {
        &matrices[h], {x.first + h * x.head_stride, x.row_stride, n}, y.first + h * y.head_stride, y.row_stride};
  }
  reserve_inputs(ws->head_products, ws->head_inputs.data());
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
  share_items(ws->pool, n, row_work, [&](int first, int end, int) {
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
  const size_t heads = s.num_heads;
  const size_t head_dim = s.head_dim;
  const size_t width = s.cache_width();
  set_head_products(key_up_, {ws->q.data(), head_dim, heads * head_dim}, {ws->q_absorbed.data(), width, heads * width},
                    n, ws);
  share_items(ws->pool, n, kNarrowWork * heads * head_dim, [&](int first, int end, int) {
    for (size_t h = 0; h < heads; ++h) {
      const SharedProduct& product = ws->head_products[h];
      fill_input(*product.w, product.input, first, end, &ws->head_inputs[h]);
      for (size_t i = first; i < static_cast<size_t>(end); ++i) {
        const float* rope = &ws->q[(i * heads + h) * head_dim + s.qk_nope_head_dim];
        std::copy_n(rope, s.qk_rope_head_dim, &ws->q_absorbed[(i * heads + h) * width + s.kv_lora_rank]);
      }
    }
  });
  shared_products(ws->pool, ws->head_products);
}

void MlaAttention::attend(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                          Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  const size_t heads = s.num_heads;
  const size_t rank = s.kv_lora_rank;
  const size_t value_dim = s.v_head_dim;
  absorb_queries(s, n, ws);
  set_head_products(value_up_, {ws->context.data(), rank, heads * rank},
                    {ws->value.data(), value_dim, heads * value_dim}, n, ws);
  attend_paged({.q = ws->q_absorbed.data(),
                .out = ws->context.data(),
                .group_heads = s.num_heads,
                .window = 0,
                .scale = scale_,
                .readers = ws->head_products,
                .reader_inputs = ws->head_inputs.data()},
               layout_, rows, kv, ws);
  shared_products(ws->pool, ws->head_products);
}

}  // namespace switchyard::executor
