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

/// W_uk of each head, [qk_nope_head_dim, kv_lora_rank]: the first rows of its part of kv_b_proj, or its part of k_b_proj transposed.
HeadRows key_heads(const ModelSpec& s, const std::string& attn) {
  const int nope = s.qk_nope_head_dim;
  const int rank = s.kv_lora_rank;
  if (s.has_split_kv_b) return {attn + "k_b_proj.weight", {s.num_heads, rank, nope}, s.num_heads, rank, 0, rank, true};
  const int head_rows = nope + s.v_head_dim;
  return {attn + "kv_b_proj.weight", {s.num_heads * head_rows, rank}, s.num_heads, head_rows, 0, nope, false};
}

/// W_uv of each head, [v_head_dim, kv_lora_rank]: the other rows, or its part of v_b_proj.
HeadRows value_heads(const ModelSpec& s, const std::string& attn) {
  const int value = s.v_head_dim;
  const int rank = s.kv_lora_rank;
  if (s.has_split_kv_b)
    return {attn + "v_b_proj.weight", {s.num_heads, value, rank}, s.num_heads, value, 0, value, false};
  const int nope = s.qk_nope_head_dim;
  return {
      attn + "kv_b_proj.weight", {s.num_heads * (nope + value), rank}, s.num_heads, nope + value, nope, value, false};
}

HeadRows transposed(HeadRows heads) {
  heads.is_transposed = !heads.is_transposed;
  return heads;
}

HeadRows for_latents(HeadRows heads) {
  heads.are_for_latents = true;
  return heads;
}

}  // namespace

Status MlaAttention::load_inputs(const ModelSpec& s, const WeightStore& store, const std::string& attn, int layer) {
  SWITCHYARD_RETURN_IF_ERROR(load_query(s, store, attn));
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "kv_a_layernorm.weight", s.kv_lora_rank, &kv_a_norm_));
  SWITCHYARD_RETURN_IF_ERROR(
      kv_a_.load(store, attn + "kv_a_proj_with_mqa", s.cache_width(), s.hidden_size, s.has_qkv_bias));
  SWITCHYARD_RETURN_IF_ERROR(store.load_heads(transposed(key_heads(s, attn)), &key_up_));
  SWITCHYARD_RETURN_IF_ERROR(store.load_heads(value_heads(s, attn), &value_up_));
  const bool is_main = layer < s.num_layers;
  return s.kernel_class == KernelClass::kMlaSplit && is_main ? load_wideners(s, store, attn) : Status();
}

Status MlaAttention::load_query(const ModelSpec& s, const WeightStore& store, const std::string& attn) {
  const int query_dim = s.num_heads * s.head_dim;
  if (s.q_lora_rank == 0) return q_b_.load(store, attn + "q_proj", query_dim, s.hidden_size, false);
  SWITCHYARD_RETURN_IF_ERROR(store.load_vector(attn + "q_a_layernorm.weight", s.q_lora_rank, &q_a_norm_));
  SWITCHYARD_RETURN_IF_ERROR(q_a_.load(store, attn + "q_a_proj", s.q_lora_rank, s.hidden_size, s.has_qkv_bias));
  return q_b_.load(store, attn + "q_b_proj", query_dim, s.q_lora_rank, false);
}

Status MlaAttention::load_wideners(const ModelSpec& s, const WeightStore& store, const std::string& attn) {
  SWITCHYARD_RETURN_IF_ERROR(store.load_heads(for_latents(key_heads(s, attn)), &wideners_.keys));
  if (s.policy == WeightPolicy::kW8a8) return store.load_heads(for_latents(value_heads(s, attn)), &wideners_.values);
  wideners_.values = value_up_;
  return {};
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

void MlaAttention::absorb_queries(const ModelSpec& s, int first_row, int n, Workspace* ws) const {
  const size_t heads = s.num_heads;
  const size_t head_dim = s.head_dim;
  const size_t width = s.cache_width();
  const float* queries = &ws->q[first_row * heads * head_dim];
  float* absorbed = &ws->q_absorbed[first_row * heads * width];
  set_head_products(key_up_, {queries, head_dim, heads * head_dim}, {absorbed, width, heads * width}, n, ws);
  share_items(ws->pool, n, kNarrowWork * heads * head_dim, [&](int first, int end, int) {
    for (size_t h = 0; h < heads; ++h) {
      const SharedProduct& product = ws->head_products[h];
      fill_input(*product.w, product.input, first, end, &ws->head_inputs[h]);
      for (size_t i = first; i < static_cast<size_t>(end); ++i) {
        const float* rope = queries + (i * heads + h) * head_dim + s.qk_nope_head_dim;
        std::copy_n(rope, s.qk_rope_head_dim, absorbed + (i * heads + h) * width + s.kv_lora_rank);
      }
    }
  });
  shared_products(ws->pool, ws->head_products);
}

void MlaAttention::attend_absorbed(const ModelSpec& s, std::span<const BatchRow> rows, int first_row,
                                   const KvLayerView& kv, Workspace* ws) const {
  const int n = static_cast<int>(rows.size());
  const size_t heads = s.num_heads;
  const size_t rank = s.kv_lora_rank;
  const size_t value_dim = s.v_head_dim;
  float* context = &ws->context[first_row * heads * rank];
  absorb_queries(s, first_row, n, ws);
  set_head_products(value_up_, {context, rank, heads * rank},
                    {&ws->value[first_row * heads * value_dim], value_dim, heads * value_dim}, n, ws);
  attend_paged({.q = &ws->q_absorbed[first_row * heads * s.cache_width()],
                .out = context,
                .group_heads = s.num_heads,
                .window = 0,
                .scale = scale_,
                .readers = ws->head_products,
                .reader_inputs = ws->head_inputs.data()},
               layout_, rows, kv, ws);
  shared_products(ws->pool, ws->head_products);
}

void MlaAttention::attend(const ModelSpec& s, std::span<const BatchRow> rows, const KvLayerView& kv,
                          Workspace* ws) const {
  for (size_t first = 0; first < rows.size();) {
    size_t end = first + 1;
    while (end < rows.size() && is_split(rows[end]) == is_split(rows[first])) ++end;
    const auto run = rows.subspan(first, end - first);
    if (is_split(rows[first])) {
      const float* q = &ws->q[first * s.num_heads * s.head_dim];
      float* out = &ws->value[first * s.num_heads * s.v_head_dim];
      attend_split(s, wideners_, layout_, {run, q, out, scale_}, kv, ws);
    } else {
      attend_absorbed(s, run, static_cast<int>(first), kv, ws);
    }
    first = end;
  }
}

}  // namespace switchyard::executor
